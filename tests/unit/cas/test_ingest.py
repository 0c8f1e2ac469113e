"""Transfers that break, go on, or find something damaged."""

import errno
import fcntl
import os
import tracemalloc
from pathlib import Path

import pytest

from imgfetch.cas.directory import LayoutStore
from imgfetch.errors import (
    DigestMismatchError,
    NetworkError,
    SizeMismatchError,
    StoreError,
)
from tests.support.incoming import DATA, Incoming
from tests.support.sources import RecordedProgress
from tests.support.store_files import partial_file


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
        assert partial_file(store, incoming.descriptor).stat().st_size == 40_960
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
            partial_file(store, incoming.descriptor).write_bytes(incoming.data[:size])
            store.ingest(incoming.content, progress)
            assert incoming.offsets == [size]
            assert store.read(incoming.descriptor, 1 << 20) == incoming.data

    def test_what_arrived_completely_is_not_transferred_at_all(
        self, store: LayoutStore, incoming: Incoming, progress: RecordedProgress
    ) -> None:
        """R029: a range that begins at the end is answered with 416."""
        partial_file(store, incoming.descriptor).write_bytes(DATA)
        store.ingest(incoming.content, progress)
        assert incoming.offsets == []
        assert store.contains(incoming.descriptor)

    @pytest.mark.parametrize("size", [1000, len(DATA)])
    def test_a_damaged_prefix_is_given_up(
        self, store: LayoutStore, incoming: Incoming, progress: RecordedProgress, size: int
    ) -> None:
        partial_file(store, incoming.descriptor).write_bytes(bytes(size))
        store.ingest(incoming.content, progress)
        assert incoming.offsets[-1] == 0
        assert store.read(incoming.descriptor, 1 << 20) == DATA

    @pytest.mark.parametrize("size", [0, len(DATA) + 1, 2 * len(DATA)])
    def test_a_prefix_that_can_not_be_one_is_given_up(
        self, store: LayoutStore, incoming: Incoming, progress: RecordedProgress, size: int
    ) -> None:
        partial_file(store, incoming.descriptor).write_bytes((DATA * 2)[:size])
        store.ingest(incoming.content, progress)
        assert incoming.offsets == [0]
        assert store.read(incoming.descriptor, 1 << 20) == DATA

    def test_a_lie_is_a_lie_after_a_good_prefix(
        self, store: LayoutStore, incoming: Incoming, progress: RecordedProgress
    ) -> None:
        partial_file(store, incoming.descriptor).write_bytes(DATA[:1000])
        lie = incoming.but(DATA[:-1] + b"?")
        with pytest.raises(DigestMismatchError):
            store.ingest(lie.content, progress)
        assert lie.offsets == [1000, 0]
        assert os.listdir(f"{store.path}/ingest") == []

    def test_a_breaking_transfer_after_a_damaged_prefix_keeps_the_good_part(
        self, store: LayoutStore, incoming: Incoming, progress: RecordedProgress
    ) -> None:
        partial_file(store, incoming.descriptor).write_bytes(bytes(4096))

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
    place = partial_file(store, incoming.descriptor)
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
    name = partial_file(store, incoming.descriptor).name
    assert steps == ["sync blobs", f"sync {name}", "rename", "sync sha256"]


def test_memory_stays_flat(store: LayoutStore, progress: RecordedProgress, tmp_path: Path) -> None:
    """A blob of any size passes through buffers of a fixed one, resumed or not."""
    size = 64 << 20
    incoming = Incoming.of(bytes(size), step=1 << 20)
    with partial_file(store, incoming.descriptor).open("wb") as file:
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
