"""What a stack of overlay directories shows, found out without mounting it.

The lookup of the kernel's ``Documentation/filesystems/overlayfs.rst``: from the top down,
a whiteout or anything that is no directory hides what is below it, and so does an
opaque directory.
"""

from __future__ import annotations

import os
import stat

from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class LowerView:
    """A stack, as it would be seen when mounted.

    Args:
        trees: paths of the directories, the topmost first; links are followed.
        opaque: name of the extended attribute that marks opaque directories.
    """

    def __init__(self, trees: Sequence[str], opaque: str) -> None:
        self._opaque = opaque
        # The directories that make up each directory that was asked for, topmost first.
        self._stacks: dict[bytes, list[bytes]] = {b"": [os.fsencode(tree) for tree in trees]}

    def shows(self, path: bytes) -> bool:
        """Whether there is anything at a path, which leads through directories only."""
        above, _, name = path.rpartition(b"/")
        for directory in self._stack(above):
            status = _status(directory + b"/" + name)
            if status is not None:
                return not _is_whiteout(status)
        return False

    def _stack(self, path: bytes) -> list[bytes]:
        known = self._stacks.get(path)
        if known is None:
            above, _, name = path.rpartition(b"/")
            known = self._stacks[path] = self._merged(self._stack(above), name)
        return known

    def _merged(self, stack: Iterable[bytes], name: bytes) -> list[bytes]:
        merged = []
        for directory in stack:
            path = directory + b"/" + name
            status = _status(path)
            if status is None:
                continue
            if not stat.S_ISDIR(status.st_mode):
                break
            merged.append(path)
            if self._is_opaque(path):
                break
        return merged

    def _is_opaque(self, path: bytes) -> bool:
        try:
            return os.getxattr(path, self._opaque, follow_symlinks=False) == b"y"
        except OSError:
            return False


def drop_pointless(tree: str, whiteouts: Iterable[bytes], below: LowerView) -> None:
    """Remove whiteouts that hide nothing: in a directory of one layer only they would show.

    Args:
        tree: the upper directory's path.
        whiteouts: paths in it.
        below: what they are to hide.
    """
    for path in whiteouts:
        if below.shows(path):
            continue
        above, _, name = (os.fsencode(tree) + b"/" + path).rpartition(b"/")
        directory = os.open(above, _FLAGS)
        try:
            status = os.fstat(directory)
            os.unlink(name, dir_fd=directory)
            os.utime(directory, ns=(status.st_atime_ns, status.st_mtime_ns))
        finally:
            os.close(directory)


def _status(path: bytes) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
