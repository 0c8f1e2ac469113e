"""Transfers that break, go on, or were damaged; and what else can be in a blob's place."""

import contextlib
import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import pytest

from imgfetch.cas.directory import LayoutStore
from imgfetch.errors import (
    DigestMismatchError,
    NetworkError,
    NoSpaceError,
    SizeMismatchError,
    StoreCorruptError,
    StoreError,
    StoreLockedError,
)
from imgfetch.fs.lock import locked
from imgfetch.oci.descriptor import Descriptor
from tests.support.incoming import Incoming
from tests.support.mounts import small_tmpfs
from tests.support.sources import RecordedProgress
from tests.support.trees import paths

DATA = os.urandom(100_000)


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    """A store that was written to before."""
    store = LayoutStore(tmp_path / "store", lock_timeout=0.2)
    with store.lease():
        return store


@pytest.fixture
def progress() -> RecordedProgress:
    return RecordedProgress()


@pytest.fixture
def incoming() -> Incoming:
    return Incoming.of(DATA)


def partial(store: LayoutStore, descriptor: Descriptor) -> Path:
    digest = descriptor.digest
    return Path(store.path, "ingest", f"{digest.algorithm}-{digest.encoded}.partial")


def blob(store: LayoutStore, descriptor: Descriptor) -> Path:
    return Path(store.path, "blobs", descriptor.digest.algorithm, descriptor.digest.encoded)


def fill_up(file: Path) -> None:
    """Lets a file grow until nothing fits any more."""
    with file.open("wb", buffering=0) as growing, contextlib.suppress(OSError):
        while True:
            growing.write(bytes(4096))


def break_at(incoming: Incoming, where: int) -> None:
    def broken(offset: int) -> None:
        if offset >= where:
            incoming.before_chunk = lambda _offset: None
            message = "connection lost"
            raise NetworkError(message)

    incoming.before_chunk = broken


class TestResume:
    """R028, R109: what has arrived is not transferred again."""

    def test_a_broken_transfer_goes_on_where_it_broke(
        self, store: LayoutStore, incoming: Incoming, progress: RecordedProgress
    ) -> None:
        break_at(incoming, 40_960)
        with pytest.raises(NetworkError):
            store.ingest(incoming.content, progress)
        assert partial(store, incoming.descriptor).stat().st_size == 40_960
        store.ingest(incoming.content, progress)
        assert incoming.offsets == [0, 40_960]
        assert store.read(incoming.descriptor, 1 << 20) == DATA
        assert os.listdir(f"{store.path}/ingest") == []
        assert sorted(os.listdir(f"{store.path}/locks")) == ["content.lock", "index.lock"]

    def test_any_whole_prefix_is_taken_up(
        self, store: LayoutStore, progress: RecordedProgress
    ) -> None:
        for size in (1, 4095, 50_000, len(DATA) - 1):
            incoming = Incoming.of(DATA + size.to_bytes(4, "big"))
            partial(store, incoming.descriptor).write_bytes(incoming.data[:size])
            store.ingest(incoming.content, progress)
            assert incoming.offsets == [size]
            assert store.read(incoming.descriptor, 1 << 20) == incoming.data

    def test_what_arrived_completely_is_not_transferred_at_all(
        self, store: LayoutStore, incoming: Incoming, progress: RecordedProgress
    ) -> None:
        """R029: a range that begins at the end is answered with 416."""
        partial(store, incoming.descriptor).write_bytes(DATA)
        store.ingest(incoming.content, progress)
        assert incoming.offsets == []
        assert store.contains(incoming.descriptor)

    @pytest.mark.parametrize("size", [1000, len(DATA)])
    def test_a_damaged_prefix_is_given_up(
        self, store: LayoutStore, incoming: Incoming, progress: RecordedProgress, size: int
    ) -> None:
        partial(store, incoming.descriptor).write_bytes(bytes(size))
        store.ingest(incoming.content, progress)
        assert incoming.offsets[-1] == 0
        assert store.read(incoming.descriptor, 1 << 20) == DATA

    @pytest.mark.parametrize("size", [0, len(DATA) + 1, 2 * len(DATA)])
    def test_a_prefix_that_can_not_be_one_is_given_up(
        self, store: LayoutStore, incoming: Incoming, progress: RecordedProgress, size: int
    ) -> None:
        partial(store, incoming.descriptor).write_bytes((DATA * 2)[:size])
        store.ingest(incoming.content, progress)
        assert incoming.offsets == [0]
        assert store.read(incoming.descriptor, 1 << 20) == DATA

    def test_a_lie_is_a_lie_after_a_good_prefix(
        self, store: LayoutStore, incoming: Incoming, progress: RecordedProgress
    ) -> None:
        partial(store, incoming.descriptor).write_bytes(DATA[:1000])
        lie = incoming.but(DATA[:-1] + b"?")
        with pytest.raises(DigestMismatchError):
            store.ingest(lie.content, progress)
        assert lie.offsets == [1000, 0]
        assert os.listdir(f"{store.path}/ingest") == []

    def test_a_breaking_transfer_after_a_damaged_prefix_keeps_the_good_part(
        self, store: LayoutStore, incoming: Incoming, progress: RecordedProgress
    ) -> None:
        partial(store, incoming.descriptor).write_bytes(bytes(4096))

        def broken(offset: int) -> None:
            if incoming.offsets[-1] == 0 and offset == 8192:
                incoming.before_chunk = lambda _offset: None
                message = "connection lost"
                raise NetworkError(message)

        incoming.before_chunk = broken
        with pytest.raises(NetworkError):
            store.ingest(incoming.content, progress)
        store.ingest(incoming.content, progress)
        assert incoming.offsets == [4096, 0, 8192]
        assert store.read(incoming.descriptor, 1 << 20) == DATA


@pytest.mark.parametrize("kind", ["symlink", "hardlink", "fifo"])
def test_a_trap_in_the_place_of_a_partial_file_is_not_written_to(
    store: LayoutStore, incoming: Incoming, progress: RecordedProgress, tmp_path: Path, kind: str
) -> None:
    """S120."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    place = partial(store, incoming.descriptor)
    if kind == "symlink":
        place.symlink_to(outside)
        with pytest.raises(StoreError):
            store.ingest(incoming.content, progress)
    else:
        if kind == "hardlink":
            place.hardlink_to(outside)
        else:
            os.mkfifo(place)
        store.ingest(incoming.content, progress)
        assert store.read(incoming.descriptor, 1 << 20) == DATA
    assert outside.read_bytes() == b"precious"


class TestWhatIsInAPlace:
    """S120, S121, R094: a name among the blobs is believed only as far as it was checked."""

    def put(self, store: LayoutStore, incoming: Incoming, kind: str, outside: Path) -> None:
        place = blob(store, incoming.descriptor)
        place.parent.mkdir(exist_ok=True)
        match kind:
            case "symlink":
                outside.write_bytes(DATA)
                place.symlink_to(outside)
            case "fifo":
                os.mkfifo(place)
            case "foreign":
                place.write_bytes(DATA)
                os.chown(place, 4242, -1)
            case "empty":
                place.touch()
            case _:
                place.write_bytes(DATA[:-1])

    @pytest.mark.parametrize("kind", ["symlink", "fifo", "foreign", "empty", "short"])
    def test_it_is_not_opened(
        self, store: LayoutStore, incoming: Incoming, tmp_path: Path, kind: str
    ) -> None:
        self.put(store, incoming, kind, tmp_path / "outside")
        assert not store.contains(incoming.descriptor)
        with pytest.raises(StoreCorruptError):
            store.open(incoming.descriptor)
        with pytest.raises(StoreCorruptError):
            store.read(incoming.descriptor, 1 << 20)

    @pytest.mark.parametrize("kind", ["symlink", "fifo", "foreign", "empty", "short"])
    def test_it_is_replaced_by_what_belongs_there(
        self,
        store: LayoutStore,
        incoming: Incoming,
        progress: RecordedProgress,
        tmp_path: Path,
        kind: str,
    ) -> None:
        self.put(store, incoming, kind, tmp_path / "outside")
        store.ingest(incoming.content, progress)
        assert store.read(incoming.descriptor, 1 << 20) == DATA

    def test_rotten_content_is_found_when_read_and_fetched_again(
        self, store: LayoutStore, incoming: Incoming, progress: RecordedProgress
    ) -> None:
        store.ingest(incoming.content, progress)
        blob(store, incoming.descriptor).write_bytes(bytes(len(DATA)))
        with pytest.raises(StoreCorruptError) as caught:
            store.read(incoming.descriptor, 1 << 20)
        assert caught.value.expected == str(incoming.descriptor.digest)
        store.ingest(incoming.content, progress)
        assert store.read(incoming.descriptor, 1 << 20) == DATA

    def test_an_open_blob_stays_readable_when_it_is_discarded(
        self, store: LayoutStore, incoming: Incoming, progress: RecordedProgress
    ) -> None:
        store.ingest(incoming.content, progress)
        with store.open(incoming.descriptor) as opened:
            store.discard(incoming.descriptor.digest)
            assert not store.contains(incoming.descriptor)
            assert opened.read() == DATA
        store.discard(incoming.descriptor.digest)


class TestWaiting:
    """R095, R098: one transfers, the others wait for as long as that gets on."""

    def lock_path(self, store: LayoutStore, descriptor: Descriptor) -> str:
        digest = descriptor.digest
        return f"{store.path}/locks/{digest.algorithm}-{digest.encoded}.lock"

    def test_progress_tells_how_far_the_other_is(
        self, store: LayoutStore, incoming: Incoming
    ) -> None:
        told: list[tuple[str, int]] = []

        class Told(RecordedProgress):
            def update(self, descriptor: Descriptor, stage: str, done: int) -> None:
                told.append((stage, done))
                if len(told) == 2:
                    raise KeyboardInterrupt

        partial(store, incoming.descriptor).write_bytes(DATA[:1234])
        with (
            locked(self.lock_path(store, incoming.descriptor)),
            pytest.raises(KeyboardInterrupt),
        ):
            store.ingest(incoming.content, Told())
        assert told == [("waiting", 1234), ("waiting", 1234)]
        assert incoming.offsets == []

    def test_a_transfer_that_does_not_get_on_is_not_waited_for(
        self, store: LayoutStore, incoming: Incoming, progress: RecordedProgress
    ) -> None:
        path = self.lock_path(store, incoming.descriptor)
        script = (
            "import sys; from imgfetch.fs.lock import locked\n"
            "with locked(sys.argv[1]): print(flush=True); sys.stdin.read()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as holder:
            assert holder.stdout is not None
            holder.stdout.readline()
            holder.send_signal(signal.SIGSTOP)
            with pytest.raises(StoreLockedError, match=f"process {holder.pid}"):
                store.ingest(incoming.content, progress)
            holder.kill()
        store.ingest(incoming.content, progress)
        assert store.contains(incoming.descriptor)

    def test_a_transfer_that_gets_on_is_waited_for_beyond_the_timeout(
        self, store: LayoutStore, incoming: Incoming, progress: RecordedProgress
    ) -> None:
        grown = threading.Event()
        place = partial(store, incoming.descriptor)

        def grow() -> None:
            with locked(self.lock_path(store, incoming.descriptor), unlink=True):
                for size in range(1, 9):
                    place.write_bytes(DATA[:size])
                    grown.set()
                    threading.Event().wait(store.root.lock_timeout / 4)

        thread = threading.Thread(target=grow)
        thread.start()
        grown.wait()
        store.ingest(incoming.content, progress)
        thread.join()
        assert incoming.offsets == [8]

    def test_after_a_failed_transfer_the_next_one_goes_on(
        self, store: LayoutStore, incoming: Incoming, progress: RecordedProgress
    ) -> None:
        """Of two that want the same, one breaks: the other takes up what arrived."""
        waiting = threading.Event()

        class Told(RecordedProgress):
            def update(self, descriptor: Descriptor, stage: str, done: int) -> None:
                if stage == "waiting":
                    waiting.set()

        def break_when_awaited(offset: int) -> None:
            if offset == 8192:
                waiting.wait(10)
                message = "connection lost"
                raise NetworkError(message)

        broken = Incoming.of(DATA)
        broken.before_chunk = break_when_awaited
        other = threading.Thread(target=lambda: store.ingest(incoming.content, Told()))

        def start_other(offset: int) -> None:
            if offset == 4096:
                other.start()
            break_when_awaited(offset)

        broken.before_chunk = start_other
        with pytest.raises(NetworkError):
            store.ingest(broken.content, progress)
        other.join()
        assert incoming.offsets == [8192]
        assert store.read(incoming.descriptor, 1 << 20) == DATA


def test_without_locks_each_transfer_has_a_file_of_its_own(
    tmp_path: Path, progress: RecordedProgress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R101: the rename alone keeps it right; a warning is given once."""

    def flock(_fd: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    warnings: list[str] = []
    store = LayoutStore(tmp_path / "store", warn=warnings.append)
    first, second = Incoming.of(DATA), Incoming.of(DATA)

    def other_at_the_same_time(offset: int) -> None:
        if offset == 8192:
            store.ingest(second.content, progress)

    first.before_chunk = other_at_the_same_time
    store.ingest(first.content, progress)
    assert first.offsets == second.offsets == [0]
    broken = Incoming.of(b"broken")
    break_at(broken, 0)
    with pytest.raises(NetworkError):
        store.ingest(broken.content, progress)
    store.tag("x", first.descriptor)
    assert os.listdir(f"{store.path}/ingest") == []
    assert store.read(first.descriptor, 1 << 20) == DATA
    assert len(warnings) == 1


class TestFullDisk:
    """R090: exit 15, nothing half-visible, finished content kept."""

    def test_what_can_not_fit_is_not_begun(
        self, tmp_path: Path, progress: RecordedProgress
    ) -> None:
        with small_tmpfs(tmp_path / "fs", size=256 << 10) as mounted:
            store = LayoutStore(mounted / "store")
            kept = Incoming.of(DATA)
            store.ingest(kept.content, progress)
            large = Incoming.of(bytes(1 << 20))
            with pytest.raises(NoSpaceError) as caught:
                store.ingest(large.content, progress)
            assert large.offsets == []
            assert caught.value.expected == "1.0 MiB free"
            assert store.read(kept.descriptor, 1 << 20) == DATA
            assert os.listdir(mounted / "store/ingest") == []

    def test_what_does_not_fit_after_all_is_removed(
        self, tmp_path: Path, progress: RecordedProgress
    ) -> None:
        with small_tmpfs(tmp_path / "fs", size=512 << 10) as mounted:
            store = LayoutStore(mounted / "store")
            large = Incoming.of(bytes(300 << 10))

            def other_grows(offset: int) -> None:
                if offset == 0:
                    (mounted / "other").write_bytes(bytes(400 << 10))

            large.before_chunk = other_grows
            with pytest.raises(NoSpaceError) as caught:
                store.ingest(large.content, progress)
            assert caught.value.expected is not None
            assert store.find(large.descriptor.digest) is None
            assert os.listdir(mounted / "store/ingest") == []
            (mounted / "other").unlink()
            large.before_chunk = lambda _offset: None
            store.ingest(large.content, progress)
            assert store.contains(large.descriptor)

    def test_names_stay_as_they_were(self, tmp_path: Path, progress: RecordedProgress) -> None:
        with small_tmpfs(tmp_path / "fs", size=128 << 10) as mounted:
            store = LayoutStore(mounted / "store")
            store.tag("before", Descriptor.of(b"", ""))
            fill_up(mounted / "other")
            with pytest.raises(NoSpaceError):
                store.tag("after", Descriptor.of(b"", ""))
            assert [name for name, _ in store.entries()] == ["before"]
            assert os.listdir(mounted / "store/ingest") == []

    def test_no_store_at_all_is_left_half_made(self, tmp_path: Path) -> None:
        with small_tmpfs(tmp_path / "fs", size=64 << 10, inodes=3) as mounted:
            store = LayoutStore(mounted / "store")
            with pytest.raises(NoSpaceError, match="no inodes"):
                store.tag("x", Descriptor.of(b"", ""))
            assert store.entries() == []
            assert not any(name.endswith(".tmp") for name in paths(mounted))


@pytest.mark.parametrize("step", ["fsync", "rename"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG])
def test_an_error_at_the_end_publishes_nothing(
    store: LayoutStore,
    incoming: Incoming,
    progress: RecordedProgress,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    code: int,
) -> None:
    """R090."""

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    full = code in {errno.ENOSPC, errno.EDQUOT}
    with monkeypatch.context() as patched:
        patched.setattr(os, step, fail)
        with pytest.raises(NoSpaceError if full else StoreError):
            store.ingest(incoming.content, progress)
    assert store.find(incoming.descriptor.digest) is None
    store.ingest(incoming.content, progress)
    assert store.read(incoming.descriptor, 1 << 20) == DATA


def test_an_error_of_the_source_is_not_taken_for_one_of_the_store(
    store: LayoutStore, incoming: Incoming, progress: RecordedProgress
) -> None:
    def broken(_offset: int) -> None:
        raise OSError(errno.ENOSPC, "not here")

    incoming.before_chunk = broken
    with pytest.raises(OSError, match="not here"):
        store.ingest(incoming.content, progress)


def test_a_blob_is_on_the_disk_before_it_has_its_name(
    store: LayoutStore,
    incoming: Incoming,
    progress: RecordedProgress,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """R093."""
    steps: list[str] = []
    fsync, rename = os.fsync, os.rename

    def recorded_fsync(fd: int) -> None:
        steps.append(f"sync {os.path.basename(os.readlink(f'/proc/self/fd/{fd}'))}")
        fsync(fd)

    def recorded_rename(source: str, target: str) -> None:
        steps.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "rename", recorded_rename)
    store.ingest(incoming.content, progress)
    name = partial(store, incoming.descriptor).name
    assert steps == [f"sync {name}", "rename", "sync sha256"]


def test_memory_stays_flat(store: LayoutStore, progress: RecordedProgress, tmp_path: Path) -> None:
    """A blob of any size passes through buffers of a fixed one, resumed or not."""
    size = 64 << 20
    incoming = Incoming.of(bytes(size), step=1 << 20)
    with partial(store, incoming.descriptor).open("wb") as file:
        file.truncate(size // 2)
    tracemalloc.start()
    try:
        store.ingest(incoming.content, progress)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert incoming.offsets == [size // 2]
    assert peak < 8 << 20


def test_an_endless_stream_never_fills_the_disk(
    store: LayoutStore, progress: RecordedProgress
) -> None:
    """S036."""
    incoming = Incoming.of(DATA).but(DATA * 100)
    with pytest.raises(SizeMismatchError):
        store.ingest(incoming.content, progress)
    assert os.listdir(f"{store.path}/ingest") == []
