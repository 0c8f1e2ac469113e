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
    from collections.abc import Mapping

    from imgfetch.layer.directory import Directory

_OPAQUE = b"y"
# Whiteouts are looked up below other layers' directories, by path; PATH_MAX is 4096.
_PATH_LIMIT = 2048


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
        opaque: name of the extended attribute that marks opaque directories.

    Attributes:
        whiteouts: paths of those that were made.
        opaques: paths of directories that were marked.
    """

    def __init__(self, root: int, limit: int, opaque: str) -> None:
        super().__init__(root, limit)
        self.whiteouts: list[bytes] = []
        self.opaques: list[bytes] = []
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
        hidden = [(where, name) for where, name in self._hidden if not where.removed]
        children = [where.children.get(name) for where, name in hidden]
        emptied = [*self._emptied, *(child for child in children if child is not None)]
        opaque = {id(directory): directory for directory in emptied if not directory.removed}
        for directory in opaque.values():
            self._mark(directory)
        for (directory, name), child in zip(hidden, children, strict=True):
            # In a directory that hides everything, a whiteout would show as a device.
            if child is None and not _is_within(directory, opaque):
                self._white_out(directory, name)

    def _white_out(self, directory: Directory, name: bytes) -> None:
        try:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=self.fd(directory))
        except FileExistsError:
            return  # not a directory, so nothing of what is below shows through
        directory.changed = True
        path = (directory.path + b"/" + name).lstrip(b"/")
        if len(path) > _PATH_LIMIT:
            _refuse(path)
        self.whiteouts.append(path)

    def _mark(self, directory: Directory) -> None:
        fd = self.open(directory)
        try:
            os.setxattr(fd, self._opaque, _OPAQUE)
        finally:
            os.close(fd)
        self.opaques.append(directory.path)

    def _replace(self, directory: Directory, name: bytes) -> Directory:
        """See `Tree._replace`: only what this layer has made itself."""
        try:
            os.stat(name, dir_fd=self.fd(directory), follow_symlinks=False)
        except FileNotFoundError:
            _refuse(name)
        self.remove(directory, name)
        return self.make(directory, name, IMPLICIT)


def _is_within(directory: Directory, others: Mapping[int, Directory]) -> bool:
    """Whether a directory is one of some, or anywhere below one of them."""
    here = directory
    while id(here) not in others:
        if here.parent is here:
            return False
        here = here.parent
    return True


def _refuse(path: bytes) -> NoReturn:
    message = f"{path!r} is not in the layer itself"
    raise DependsOnLowerError(message)
