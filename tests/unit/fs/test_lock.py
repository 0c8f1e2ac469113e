import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imgfetch.errors import StoreLockedError
from imgfetch.fs.lock import locked

HOLD = """
import sys
from imgfetch.fs.lock import locked
with locked(sys.argv[1], shared=sys.argv[2] == "shared"):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_elsewhere(path: Path, kind: str = "exclusive") -> Iterator[subprocess.Popen[str]]:
    """Another process holds the lock during the block."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder
        finally:
            holder.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.lock"


def test_an_exclusive_lock_excludes_everybody(path: Path) -> None:
    with held_elsewhere(path):
        for shared in (False, True):
            with pytest.raises(StoreLockedError), locked(str(path), shared=shared, timeout=0):
                pytest.fail("the lock was given twice")


def test_shared_locks_go_together_and_exclude_an_exclusive_one(path: Path) -> None:
    with held_elsewhere(path, "shared"):
        with locked(str(path), shared=True, timeout=0) as held:
            assert held
        with pytest.raises(StoreLockedError), locked(str(path), timeout=0):
            pytest.fail("the lock was given twice")


def test_the_error_names_the_holder(path: Path) -> None:
    """R098."""
    with (
        held_elsewhere(path) as holder,
        pytest.raises(StoreLockedError) as caught,
        locked(str(path), timeout=0),
    ):
        pass
    assert f"process {holder.pid}" in caught.value.message
    assert str(path) in caught.value.message


def test_the_error_names_a_stopped_holder(path: Path) -> None:
    """R098: a stopped process keeps its locks; who waits is told whom to continue."""
    with held_elsewhere(path, "shared") as holder:
        holder.send_signal(signal.SIGSTOP)
        with pytest.raises(StoreLockedError) as caught, locked(str(path), timeout=0.01):
            pass
    assert str(holder.pid) in caught.value.message


def test_a_lock_ends_with_its_process(path: Path) -> None:
    """R098: whatever ends that."""
    with held_elsewhere(path) as holder:
        holder.kill()
        holder.wait()
        with locked(str(path), timeout=5) as held:
            assert held


def test_threads_exclude_each_other(path: Path) -> None:
    inside = 0
    most = 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with locked(str(path)):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_thread_that_waits_for_itself_is_told(path: Path) -> None:
    with (
        locked(str(path)),
        pytest.raises(StoreLockedError, match="this process itself"),
        locked(str(path), timeout=0),
    ):
        pass


def test_closing_another_descriptor_of_the_file_keeps_the_lock(path: Path) -> None:
    """R099: a POSIX lock would be gone."""
    with locked(str(path)):
        path.read_bytes()
        with pytest.raises(StoreLockedError), locked(str(path), timeout=0):
            pass


def test_children_do_not_inherit_locks(path: Path) -> None:
    """R100: a container that runs on must not block the next pull."""
    with locked(str(path)):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with locked(str(path), timeout=0) as held:
            assert held
    finally:
        child.kill()
        child.wait()


def test_a_removed_lock_file_locks_nobody_out_and_nobody_in(path: Path) -> None:
    """Who waited for a file that its holder removed takes the lock on the next one."""
    order = []

    def wait() -> None:
        with locked(str(path), unlink=True):
            order.append("second")
            with pytest.raises(StoreLockedError), locked(str(path), timeout=0):
                pass

    waiter = threading.Thread(target=wait)
    with locked(str(path), unlink=True):
        waiter.start()
        waiter.join(0.05)
        order.append("first")
    waiter.join()
    assert order == ["first", "second"]
    assert not path.exists()


def test_the_caller_can_end_a_wait(path: Path) -> None:
    def give_up() -> None:
        raise KeyboardInterrupt

    with (
        held_elsewhere(path),
        pytest.raises(KeyboardInterrupt),
        locked(str(path), on_wait=give_up),
    ):
        pass


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.ESTALE])
def test_without_locks_the_work_goes_on_with_a_warning(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """R101: NFS without a lock daemon, Lustre, FUSE."""

    def flock(_fd: int, _operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    warnings: list[str] = []
    with locked(str(path), on_unsupported=warnings.append) as held:
        assert not held
    assert len(warnings) == 1
    assert os.strerror(code) in warnings[0]


def test_other_errors_are_errors(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(_fd: int, _operation: int) -> None:
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(fcntl, "flock", flock)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="I/O error"), locked(str(path)):
        pass
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_link_in_the_place_of_the_lock_file_is_refused(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="symbolic link"), locked(str(path)):
        pass
    assert not (tmp_path / "outside").exists()


def test_the_lock_file_is_private_whatever_the_umask(path: Path) -> None:
    """R070."""
    before = os.umask(0o777)
    try:
        with locked(str(path)):
            assert path.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


def test_a_lock_file_that_only_others_may_write_can_be_shared(path: Path) -> None:
    """R105: a store on a read-only file system is read all the same."""
    path.touch(mode=0o444)
    with locked(str(path), shared=True) as held:
        assert held
