"""Locks between processes, and between threads of one: ``flock`` on a file of its own.

``flock`` belongs to the open file, so a lock ends with its process whatever ends that, two
threads that open the file exclude each other as two processes do, and closing some other
descriptor of the same file gives nothing away (a POSIX lock would be lost by that).
Descriptors are close-on-exec: a container that outlives its parent holds no lock of ours.

The wait looks again and again instead of blocking in the kernel, so that the caller can say
what is being waited for and give up: a blocked thread could not be interrupted at all.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time

from imgfetch.errors import StoreLockedError
from imgfetch.lean.contextlib import contextmanager, suppress
from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

FOREVER = float("inf")

_OPEN = os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MODE = 0o600
_FIRST_PAUSE = 0.002
_LONGEST_PAUSE = 0.1
# Shorter waits are nothing that a person would wonder about.
_LONG = 1.0
# NFS without a lock daemon, Lustre without -o flock, some FUSE file systems.
_NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ESTALE})


def _nothing(*_: object) -> None:
    pass


@contextmanager
def locked(
    path: str,
    *,
    shared: bool = False,
    timeout: float = FOREVER,
    unlink: bool = False,
    on_wait: Callable[[], None] = _nothing,
    on_unsupported: Callable[[str], None] = _nothing,
) -> Generator[bool, None, None]:
    """Hold a lock for the length of a ``with`` block.

    One thread must not take a lock that it holds already, unless both are shared: it would
    wait for itself.

    Args:
        path: the lock file; made when it isn't there.
        shared: let others hold it too, as long as they are shared as well.
        timeout: seconds to wait; 0 to try once.
        unlink: remove the lock file at the end; only for locks that nobody takes shared.
        on_wait: called before each pause; what it raises ends the wait.
        on_unsupported: told why there are no locks on this file system. The block runs
            without one then: atomic renames alone keep files whole, but work may be done
            twice and the last writer wins.

    Yields:
        Whether the lock is held.

    Raises:
        StoreLockedError: still held by somebody else after ``timeout``.
        OSError: the lock file can't be opened.
    """
    deadline = time.monotonic() + timeout
    fd, held = _acquire(path, shared, deadline, on_wait, on_unsupported)
    try:
        yield held
    finally:
        if unlink:
            with suppress(OSError):
                os.unlink(path)
        os.close(fd)


def _acquire(
    path: str,
    shared: bool,  # noqa: FBT001 - internal
    deadline: float,
    on_wait: Callable[[], None],
    on_unsupported: Callable[[str], None],
) -> tuple[int, bool]:
    while True:
        # A shared lock needs no right to write, so that a store can be read-only.
        fd = os.open(path, _OPEN | (os.O_RDONLY if shared else os.O_RDWR), _MODE)
        try:
            try:
                _wait(fd, path, shared, deadline, on_wait)
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
                on_unsupported(f"no locks on the file system of {path}: {error.strerror}")
                return fd, False
            status = os.fstat(fd)
            if status.st_nlink and _names(path, status):
                if status.st_mode & 0o777 != _MODE:
                    with suppress(PermissionError):
                        os.fchmod(fd, _MODE)
                return fd, True
        except BaseException:
            os.close(fd)
            raise
        # Whoever held it has removed the file: a lock on that excludes nobody.
        os.close(fd)


def _wait(
    fd: int,
    path: str,
    shared: bool,  # noqa: FBT001 - internal
    deadline: float,
    on_wait: Callable[[], None],
) -> None:
    operation = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
    pause = _FIRST_PAUSE
    while True:
        try:
            fcntl.flock(fd, operation)
        except BlockingIOError:
            pass
        else:
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise locked_error(path)
        on_wait()
        time.sleep(min(pause, left))
        pause = min(pause * 2, _LONGEST_PAUSE)


class LongWaits:
    """Says for whom one has been waiting for a while, once for each of them.

    Args:
        tell: what to say it to.
        doing: what they are doing: ``fetching the same content``.
    """

    def __init__(self, tell: Callable[[str], None], doing: str) -> None:
        self._tell = tell
        self._doing = doing
        self._told: set[str] = set()

    def on(self, path: str) -> Callable[[], None]:
        """The beginning of a wait for a lock: its ``on_wait``."""
        since = time.monotonic()

        def on_wait() -> None:
            nonlocal since
            if time.monotonic() - since < _LONG:
                return
            since = FOREVER
            who = _who(path)
            # Between threads of one process nobody needs to be told.
            if who is not None and who not in self._told:
                self._told.add(who)
                self._tell(f"waiting for {who}, which is {self._doing}")

        return on_wait


def _who(path: str) -> str | None:
    """Who holds a lock; None for this process itself."""
    pids = holders(path)
    if pids == [os.getpid()]:
        return None
    return f"process {', '.join(map(str, pids))}" if pids else "another process"


def _names(path: str, status: os.stat_result) -> bool:
    try:
        named = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (named.st_dev, named.st_ino) == (status.st_dev, status.st_ino)


def locked_error(path: str) -> StoreLockedError:
    """The error for a lock that is not given back, with who holds it as far as known."""
    return StoreLockedError(
        f"{path} is locked by {_who(path) or 'this process itself'}",
        hint="wait for it to end; if it is stopped, continue or kill it",
    )


def holders(path: str) -> list[int]:
    """Processes that hold a lock on a file, as far as ``/proc/locks`` tells.

    The kernel's own list rather than a number written into the file: that one would be wrong
    after a crash, unknown for shared locks, and not written at all on a full disk. Processes
    outside our PID namespace don't show up.
    """
    try:
        inode = os.stat(path, follow_symlinks=False).st_ino
        with open("/proc/locks", encoding="ascii", errors="replace") as table:
            lines = [line.split() for line in table]
    except OSError:
        return []
    # "1: FLOCK  ADVISORY  WRITE 708 00:13:4021 0 EOF"; who waits has "->" after the number.
    # The device is left out: overlayfs and btrfs show another there than stat() does.
    found = {
        int(fields[4])
        for fields in lines
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == str(inode)  # noqa: PLR2004
    }
    return sorted(pid for pid in found if pid > 0)
