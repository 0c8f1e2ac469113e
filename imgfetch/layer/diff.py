"""A layer by itself, as overlayfs wants an upper directory to be.

The kernel's ``Documentation/filesystems/overlayfs.rst``: a character device 0/0 hides a
name of the layers below, an extended attribute all that is in a directory. So layers
need not wait for those below them, as long as they name what they stand on: every
parent directory, and the files that hard links repeat. Most do; what doesn't is refused
here with `DependsOnLowerError`, to be applied on top of the others instead.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NoReturn

from imgfetch.errors import LayerError
from imgfetch.layer.directory import IMPLICIT
from imgfetch.layer.tree import Tree

if TYPE_CHECKING:
    from imgfetch.layer.directory import Directory

_OPAQUE = b"y"


class DependsOnLowerError(LayerError):
    """What the layer means can't be told without the layers below."""


class DiffTree(Tree):
    """An upper directory in the making.

    What hides something is noted, and carried out when all entries are there: a name
    that the layer makes hides what is below by being there, wherever in the archive
    its whiteout stands, except that a directory has to say so.

    Args:
        root: an empty directory's descriptor, which stays the caller's.
        limit: on the number of directories to know of.
        limit: see `Tree`.
        opaque: name of the extended attribute that marks opaque directories.
    """

    def __init__(self, root: int, limit: int, opaque: str) -> None:
        super().__init__(root, limit)
        self._opaque = opaque
        self._hidden: list[tuple[Directory, bytes]] = []
        self._emptied: list[Directory] = []

    def find(self, path: bytes, *, create: bool) -> Directory | None:
        """See `Tree.find`.

        Raises:
            DependsOnLowerError: it is not of this layer.
        """
        directory = super().find(path, create=create)
        if directory is None:
            _refuse(path)
        return directory

    def hide(self, directory: Directory, name: bytes) -> None:
        """See `Tree.hide`."""
        self._hidden.append((directory, name))

    def hide_all(self, directory: Directory) -> None:
        """See `Tree.hide_all`.

        Raises:
            DependsOnLowerError: the root, whose mark overlayfs does not look at.
        """
        if directory is self.root:
            _refuse(b"/")
        self._emptied.append(directory)

    def remove(self, directory: Directory, name: bytes) -> None:
        """See `Tree.remove`; what replaces it replaces what is below, too."""
        super().remove(directory, name)
        self.hide(directory, name)

    def settle(self) -> None:
        """See `Tree.settle`."""
        for directory in self._emptied:
            self._empty(directory)
        for directory, name in self._hidden:
            if not directory.removed:
                self._settle(directory, name)

    def _settle(self, directory: Directory, name: bytes) -> None:
        child = directory.children.get(name)
        if child is not None:
            self._empty(child)
            return
        try:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=self.fd(directory))
        except FileExistsError:
            return  # not a directory, so nothing of what is below shows through
        directory.changed = True

    def _empty(self, directory: Directory) -> None:
        if directory.removed:
            return
        fd = self.open(directory)
        try:
            os.setxattr(fd, self._opaque, _OPAQUE)
        finally:
            os.close(fd)

    def _replace(self, directory: Directory, name: bytes) -> Directory:
        """See `Tree._replace`: only what this layer has made itself."""
        try:
            os.stat(name, dir_fd=self.fd(directory), follow_symlinks=False)
        except FileNotFoundError:
            _refuse(name)
        self.remove(directory, name)
        return self.make(directory, name, IMPLICIT)


def _refuse(path: bytes) -> NoReturn:
    message = f"{path!r} is not in the layer itself"
    raise DependsOnLowerError(message)
