"""Temporary files and directories beside what they are going to be, outside of any store.

Who writes one has it locked. One that is not was left by a process that was killed, and
whoever writes the same file next clears it away: no other command looks there.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from imgfetch.errors import StoreError
from imgfetch.fs.atomic import temporary_name
from imgfetch.fs.removal import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ATTEMPTS = 100
_RANDOM = re.compile(r"[0-9a-f]{16}")


def beside(target: str) -> str:
    """A path in the same directory that nobody else uses."""
    return os.path.join(os.path.dirname(target) or ".", temporary_name(os.path.basename(target)))


def make_file_beside(target: str, mode: int) -> tuple[str, int]:
    """A new file to write to, ours until the descriptor is closed.

    Args:
        target: the path that it is going to have.
        mode: from which the umask's bits are taken away.

    Returns:
        Its path and a descriptor.
    """
    return _make(target, lambda path: os.open(path, _NEW_FILE, mode))


def make_directory_beside(target: str) -> tuple[str, int]:
    """A new directory, ours until the descriptor is closed; see `make_file_beside`."""

    def make(path: str) -> int:
        os.mkdir(path)
        return os.open(path, _LOOK | os.O_DIRECTORY)

    return _make(target, make)


def _make(target: str, make: Callable[[str], int]) -> tuple[str, int]:
    _clear(target)
    attempts = _ATTEMPTS
    while True:
        path = beside(target)
        try:
            fd = make(path)
        except FileNotFoundError:
            # Removed before it was opened; or a place like /proc, where nothing can be made.
            attempts -= 1
            if not attempts or not os.path.isdir(os.path.dirname(target) or "."):
                raise
            continue
        if _is_ours(fd):
            return path, fd
        # Taken for abandoned, between its making and the lock: once more.
        os.close(fd)


def _is_ours(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks, where nothing is ever taken for abandoned
        return True
    return os.fstat(fd).st_nlink > 0


def _clear(target: str) -> None:
    """Remove what processes that were killed have left; what can't be removed stays."""
    directory, name = os.path.split(target)
    prefix, suffix = f".{name}.", ".tmp"
    found: list[str] = []
    with suppress(OSError):
        found = os.listdir(directory or ".")
    for other in found:
        middle = other.removeprefix(prefix).removesuffix(suffix)
        if other == f"{prefix}{middle}{suffix}" and _RANDOM.fullmatch(middle):
            remove_abandoned(os.path.join(directory, other))


def remove_abandoned(path: str) -> None:
    """Remove a temporary file or directory that nobody has locked, if that can be done."""
    with suppress(OSError, StoreError):
        fd = os.open(path, _LOOK)
        try:
            if os.fstat(fd).st_uid == os.geteuid():
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_tree(path)
        finally:
            os.close(fd)
