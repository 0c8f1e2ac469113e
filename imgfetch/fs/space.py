"""Room on a file system, and the error when there is none.

ENOSPC also means "no inodes left", which people look for in the wrong place: the error
names which of the two it is. A quota (EDQUOT) runs out while ``df`` shows room.
"""

from __future__ import annotations

import errno
import os

from imgfetch.errors import NoSpaceError
from imgfetch.lean.contextlib import contextmanager
from imgfetch.lean.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator

_UNITS = ("KiB", "MiB", "GiB", "TiB")
_STEP = 1024
_FEW = 32
_ENOUGH = 1 << 20


class Free(NamedTuple):
    """What an ordinary user may still take of a file system; None where it does not tell.

    Attributes:
        bytes: that can be written.
        inodes: files and directories that can be made.
    """

    bytes: int | None
    inodes: int | None


def free(path: str) -> Free:
    """What is free where ``path`` is.

    File systems without a fixed size (some network and FUSE ones) report no blocks at all,
    and those that make inodes as needed (btrfs) no inodes: neither means "full".
    """
    status = os.statvfs(path)
    return Free(
        bytes=status.f_bavail * status.f_frsize if status.f_blocks else None,
        inodes=status.f_favail if status.f_files else None,
    )


def is_no_space(error: OSError) -> bool:
    """Whether an error means that a file system or a quota is full."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}


def no_space(path: str, *, needed: int = 0, error: OSError | None = None) -> NoSpaceError:
    """The error for a full file system.

    Args:
        path: a directory on it; where it could not even be made, the one above counts.
        needed: bytes that were still to be written, 0 where nobody knows.
        error: what the system said, where it was tried.
    """
    room = _free_above(path)
    if error is not None and error.errno == errno.EDQUOT:
        return NoSpaceError(
            f"the disk quota is used up where {path} is",
            expected=readable(needed) if needed else None,
            hint="make room or raise the quota, then run the command again",
        )
    if _is_short_of_inodes(room, needed):
        return NoSpaceError(
            f"no inodes left on the file system of {path}",
            actual=f"{room.inodes} free" if room.inodes else None,
            hint="delete files (their number counts, not their size), then run the command again",
        )
    return NoSpaceError(
        f"no space left on the file system of {path}",
        expected=f"{readable(needed)} free" if needed else None,
        actual=f"{readable(room.bytes)} free" if room.bytes is not None else None,
        hint="make room, then run the command again",
    )


def _is_short_of_inodes(room: Free, needed: int) -> bool:
    """Whether inodes are the reason: a few may have come free since, or too few for the step."""
    if room.inodes is None or room.inodes >= _FEW:
        return False
    return room.inodes == 0 or room.bytes is None or room.bytes > max(needed, _ENOUGH)


def _free_above(path: str) -> Free:
    while True:
        try:
            return free(path or ".")
        except FileNotFoundError:
            above = os.path.dirname(path)
            if above == path:
                return Free(None, None)
            path = above
        except OSError:
            return Free(None, None)


@contextmanager
def no_space_told(path: str) -> Generator[None]:
    """Tell a full file system from other errors of the system.

    To be left before anything is removed: the error says how much room there is.

    Args:
        path: a directory on the file system.

    Raises:
        NoSpaceError: no space or inodes left.
    """
    try:
        yield
    except OSError as error:
        if is_no_space(error):
            raise no_space(path, error=error) from error
        raise


def require(path: str, needed: int) -> None:
    """Refuse to start writing what can't fit.

    Raises:
        NoSpaceError: fewer than ``needed`` bytes are free where ``path`` is.
    """
    room = free(path).bytes
    if room is not None and room < needed:
        raise no_space(path, needed=needed)


def readable(size: int) -> str:
    """A number of bytes for people; exact below a KiB."""
    if size < _STEP:
        return f"{size} bytes"
    value = float(size)
    unit = ""
    for unit in _UNITS:  # noqa: B007 - the last one looked at is the result
        value /= _STEP
        if value < _STEP:
            break
    return f"{value:.1f} {unit}"
