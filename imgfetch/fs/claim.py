"""Directories that belong to a living process: a lock on the directory itself says so.

However the process ends, the kernel lets go of its lock, and whoever finds the directory
unlocked may clear it away. Descriptors are close-on-exec; a forked child that does not
execute anything holds the lock as well.
"""

from __future__ import annotations

import errno
import fcntl
import os

from imgfetch.fs.atomic import PRIVATE_DIRECTORY

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# File systems without locks: see `imgfetch.fs.lock`. There nothing ever looks abandoned.
_NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ESTALE})


def make_claimed(path: str) -> int:
    """Make a directory that is this process's until the descriptor is closed.

    Raises:
        FileExistsError: it is there already.
        OSError: it can't be made.
    """
    while True:
        os.mkdir(path, PRIVATE_DIRECTORY)
        descriptor = _claim(path, fcntl.LOCK_EX)
        if descriptor is not None:
            os.fchmod(descriptor, PRIVATE_DIRECTORY)  # whatever the umask
            return descriptor
        # Somebody took it for abandoned, between its making and the lock: once more.


def claim_shared(path: str) -> int | None:
    """Keep others from clearing a directory away; any number of processes can.

    Returns:
        A descriptor to close at the end; None where the directory is gone.
    """
    return _claim(path, fcntl.LOCK_SH)


def claim_abandoned(path: str) -> int | None:
    """Take over a directory that no living process holds.

    Returns:
        A descriptor to close at the end; None where somebody holds it, or it is gone.
    """
    try:
        return _claim(path, fcntl.LOCK_EX | fcntl.LOCK_NB, without_locks=False)
    except BlockingIOError:
        return None


def is_claimed(path: str) -> bool | None:
    """Whether a living process holds a directory.

    Looks without getting in the way of others that look.

    Returns:
        None where the file system has no locks, so that nobody can know.

    Raises:
        OSError: it can't be opened.
    """
    descriptor = os.open(path, _FLAGS)
    try:
        return None if not _lock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB) else False
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)


def _claim(path: str, operation: int, *, without_locks: bool = True) -> int | None:
    try:
        descriptor = os.open(path, _FLAGS)
    except (FileNotFoundError, NotADirectoryError):  # gone, or nothing that was ever claimed
        return None
    try:
        held = _lock(descriptor, operation) or without_locks
        if held and _is_at(descriptor, path):
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _lock(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise
    return True


def _is_at(descriptor: int, path: str) -> bool:
    """Whether the name still is that directory's: it may have gone while we waited."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False
