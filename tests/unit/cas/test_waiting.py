"""Several want the same content at once."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from imgfetch.cas.directory import LayoutStore
from imgfetch.errors import (
    NetworkError,
    StoreLockedError,
)
from imgfetch.fs.lock import locked
from imgfetch.oci.descriptor import Descriptor
from tests.support.incoming import DATA, Incoming
from tests.support.sources import RecordedProgress
from tests.support.store_files import lock_file, partial_file

HOLD = (
    "import sys; from imgfetch.fs.lock import locked\n"
    "with locked(sys.argv[1]): print(flush=True); sys.stdin.read()"
)


@pytest.mark.parametrize(
    ("name", "doing"),
    [("content", "deleting content of"), ("index", "changing names in"), ("", "fetching the same")],
)
def test_for_whom_one_waits_is_said_once(
    tmp_path: Path,
    incoming: Incoming,
    monkeypatch: pytest.MonkeyPatch,
    progress: RecordedProgress,
    name: str,
    doing: str,
) -> None:
    """R098."""
    monkeypatch.setattr("imgfetch.fs.lock._LONG", 0.01)
    warnings: list[str] = []
    holders: list[subprocess.Popen[bytes]] = []

    def warn(text: str) -> None:
        warnings.append(text)
        holders[-1].kill()

    store = LayoutStore(tmp_path / "store", warn=warn)
    with store.lease():
        fetching = lock_file(store, incoming.descriptor)
    path = Path(store.path, "locks", f"{name}.lock") if name else fetching
    for _ in range(2):
        argv = [sys.executable, "-c", HOLD, str(path)]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            holders.append(holder)
            assert holder.stdout is not None
            holder.stdout.readline()
            store.ingest(incoming.content, progress)
            store.tag("name", incoming.descriptor)
        assert warnings[-1].startswith(f"waiting for process {holder.pid}, which is {doing}")
        store.discard(incoming.descriptor.digest)
    assert len(warnings) == 2


class TestWaiting:
    """R095, R098: one transfers, the others wait for as long as that gets on."""

    def test_progress_tells_how_far_the_other_is(
        self, store: LayoutStore, incoming: Incoming
    ) -> None:
        told: list[tuple[str, int]] = []

        class Told(RecordedProgress):
            def update(self, descriptor: Descriptor, stage: str, done: int) -> None:
                told.append((stage, done))
                if len(told) == 2:
                    raise KeyboardInterrupt

        partial_file(store, incoming.descriptor).write_bytes(DATA[:1234])
        with (
            locked(str(lock_file(store, incoming.descriptor))),
            pytest.raises(KeyboardInterrupt),
        ):
            store.ingest(incoming.content, Told())
        assert told == [("waiting", 1234), ("waiting", 1234)]
        assert incoming.offsets == []

    def test_a_transfer_that_does_not_get_on_is_not_waited_for(
        self, store: LayoutStore, incoming: Incoming, progress: RecordedProgress
    ) -> None:
        path = str(lock_file(store, incoming.descriptor))
        with subprocess.Popen(
            [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
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
        store = LayoutStore(store.path, lock_timeout=1)
        grown = threading.Event()
        place = partial_file(store, incoming.descriptor)

        def grow() -> None:
            with locked(str(lock_file(store, incoming.descriptor)), unlink=True):
                for size in range(1, 7):
                    place.write_bytes(DATA[:size])
                    grown.set()
                    threading.Event().wait(store.root.locks.timeout / 4)

        thread = threading.Thread(target=grow)
        thread.start()
        grown.wait()
        store.ingest(incoming.content, progress)
        thread.join()
        assert incoming.offsets == [6]

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
