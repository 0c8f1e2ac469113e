"""Names of one file that a layer below has given, kept together on an overlay.

overlayfs copies a file up when a layer links to it, and under that name only: the file's
other names stay with the old one (the kernel's ``Documentation/filesystems/overlayfs.rst``,
"Non-standard behavior"). Applied one after the other, as image-spec layer.md has it, layers
leave one file with all its names. So the others are made links to the copy, each in the
directory where it is.

Costs nothing where no layer links to a file of several names that is of another layer, and
then one look at all names, however many such links there are.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgfetch.layer.directory import Directory
    from imgfetch.layer.tree import Tree


class LinkGroups:
    """Files of the layers below that have several names.

    Args:
        tree: with the layers below, and more and more of the layer at hand.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._names: dict[tuple[int, int], list[tuple[Directory, bytes]]] | None = None

    def below(self, directory: Directory, name: bytes) -> os.stat_result | None:
        """A file of the layers below that has other names; None for all else."""
        if directory.made is None or name in directory.made:
            return None
        fd = self._tree.fd(directory)
        try:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return status if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode) else None

    def follow(self, before: os.stat_result, directory: Directory, name: bytes) -> None:
        """Let a file's other names follow it, if it was copied up to be linked to.

        Args:
            before: what `below` has said of it.
            directory: where its new name is.
            name: the new name.
        """
        fd = self._tree.fd(directory)
        if os.stat(name, dir_fd=fd, follow_symlinks=False).st_nlink == before.st_nlink + 1:
            return  # all of them are names of one file, as in every other file system
        if self._names is None:
            self._names = self._find()
        file = (before.st_dev, before.st_ino)
        for where, other in self._names.pop(file, ()):
            if self._is(where, other, file):
                self._tree.remove(where, other)
                old_fd, new_fd = self._tree.fds(directory, where)
                os.link(name, other, src_dir_fd=old_fd, dst_dir_fd=new_fd, follow_symlinks=False)

    def _is(self, directory: Directory, name: bytes, file: tuple[int, int]) -> bool:
        """Whether a name is still that of a file below: the layer may have something to say."""
        if directory.removed:
            return False
        fd = self._tree.fd(directory)
        try:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return (status.st_dev, status.st_ino) == file

    def _find(self) -> dict[tuple[int, int], list[tuple[Directory, bytes]]]:
        names = defaultdict(list)
        waiting = [self._tree.root]
        while waiting:
            directory = waiting.pop()
            for name in self._tree.names(directory):
                fd = self._tree.fd(directory)
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    child = self._tree.enter(directory, name)
                    waiting += [child] if child is not None else []
                elif status.st_nlink > 1:
                    names[status.st_dev, status.st_ino].append((directory, name))
        return names
