"""Making what entries describe, in place of what is there.

Each is made as new: what exists under its name is removed, never opened or changed, since
it may be a link to elsewhere, or one of several names of a file. Trying comes before
looking, because in most places there is nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

from imgfetch.errors import MalformedLayerError, UnsafeLayerError
from imgfetch.layer.content import check_size, write_content
from imgfetch.layer.devices import DeviceMaker
from imgfetch.layer.linkgroups import LinkGroups
from imgfetch.layer.names import split
from imgfetch.tar.entry import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.layer.directory import Directory
    from imgfetch.layer.metadata import MetadataWriter
    from imgfetch.layer.options import ApplyOptions
    from imgfetch.layer.tree import Tree
    from imgfetch.tar.entry import Entry
    from imgfetch.tar.reader import TarReader

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Creator:
    """Makes files of all kinds.

    Args:
        options: how.
        reader: where files' content comes from.
        tree: where they are made.
        metadata: gives them owners, modes, attributes and times.

    """

    def __init__(
        self, options: ApplyOptions, reader: TarReader, tree: Tree, metadata: MetadataWriter
    ) -> None:
        self._limits = options.limits
        self._keep_dirlinks = options.keep_dirlinks
        self._reader = reader
        self._tree = tree
        self._metadata = metadata
        self._devices = DeviceMaker(options.devices)
        self._groups = LinkGroups(tree)
        self._size = 0
        self._makers: dict[str, Callable[[Entry, Directory, bytes], None]] = {
            "file": self._make_file,
            "directory": self._make_directory,
            "symlink": self._make_symlink,
            "hardlink": self._make_hardlink,
            "char": self._make_node,
            "block": self._make_node,
            "fifo": self._make_node,
        }

    @property
    def skipped_devices(self) -> int:
        """The number of devices not made."""
        return self._devices.skipped

    def make(self, entry: Entry, directory: Directory, name: bytes) -> None:
        """Make what an entry describes, in a directory and under a name."""
        self._makers[entry.kind](entry, directory, name)
        directory.note(name)

    def _make_file(self, entry: Entry, directory: Directory, name: bytes) -> None:
        self._size += entry.size
        check_size(self._size, self._limits)
        above = directory.fd
        if above < 0:
            above = self._tree.fd(directory)
        try:
            fd = os.open(name, _CREATE, entry.mode & 0o777, dir_fd=above)
        except FileExistsError:
            self._tree.remove(directory, name)
            fd = os.open(name, _CREATE, entry.mode & 0o777, dir_fd=self._tree.fd(directory))
        try:
            if entry.size:
                write_content(fd, entry, self._reader)
            self._metadata.finish_file(fd, entry, inherits=directory.inherits)
        finally:
            os.close(fd)

    def _make_directory(self, entry: Entry, directory: Directory, name: bytes) -> None:
        self._metadata.owner(entry)
        try:
            self._tree.make(directory, name, entry)
        except FileExistsError:
            present = self._tree.enter(directory, name)
            if present is None and self._keep_dirlinks:
                present = self._behind_link(directory, name)
            if present is not None:
                present.entry = entry
            else:
                self._tree.remove(directory, name)
                self._tree.make(directory, name, entry)

    def _behind_link(self, directory: Directory, name: bytes) -> Directory | None:
        return self._tree.find(directory.path + b"/" + name, create=False)

    def _make_symlink(self, entry: Entry, directory: Directory, name: bytes) -> None:
        if not entry.target:
            message = f"{printable(entry.name)} is a link to nothing"
            raise MalformedLayerError(message)
        try:
            os.symlink(entry.target, name, dir_fd=self._tree.fd(directory))
        except FileExistsError:
            self._tree.remove(directory, name)
            os.symlink(entry.target, name, dir_fd=self._tree.fd(directory))
        self._metadata.finish_node(name, self._tree.fd(directory), entry)

    def _make_node(self, entry: Entry, directory: Directory, name: bytes) -> None:
        fd = self._tree.fd(directory)
        try:
            made = self._devices.make(entry, name, fd)
        except FileExistsError:
            self._tree.remove(directory, name)
            made = self._devices.make(entry, name, fd)
        if made:
            self._metadata.finish_node(name, fd, entry)
        else:
            # It is not here, but what it stands in the place of is gone all the same.
            self._tree.remove(directory, name)

    def _make_hardlink(self, entry: Entry, directory: Directory, name: bytes) -> None:
        path, old_name = split(entry.target)
        source = self._tree.find(path, create=False) if old_name else None
        if source is None:
            _refuse_target(entry)
        try:
            self._link(source, old_name, directory, name)
        except FileNotFoundError:
            _refuse_target(entry)

    def _link(self, source: Directory, old: bytes, directory: Directory, new: bytes) -> None:
        below = self._groups.below(source, old)
        old_fd, new_fd = self._tree.fds(source, directory)
        # os.link follows a link in the last place unless it is told not to.
        try:
            os.link(old, new, src_dir_fd=old_fd, dst_dir_fd=new_fd, follow_symlinks=False)
        except FileExistsError:
            self._refuse_directory(source, old)
            if not self._are_same(source, old, directory, new):
                self._tree.remove(directory, new)
                self._link(source, old, directory, new)
        except PermissionError:
            self._refuse_directory(source, old)
            raise
        else:
            if below is not None:
                self._groups.follow(below, directory, new)

    def _refuse_directory(self, source: Directory, name: bytes) -> None:
        if self._tree.enter(source, name) is not None:
            message = f"{printable(name)} is a directory, which a hard link can't repeat"
            raise UnsafeLayerError(message)

    def _are_same(self, source: Directory, old: bytes, directory: Directory, new: bytes) -> bool:
        old_fd, new_fd = self._tree.fds(source, directory)
        return os.path.samestat(
            os.stat(old, dir_fd=old_fd, follow_symlinks=False),
            os.stat(new, dir_fd=new_fd, follow_symlinks=False),
        )


def _refuse_target(entry: Entry) -> NoReturn:
    message = f"{printable(entry.name)} is a hard link to a file that is not there"
    raise MalformedLayerError(message, actual=printable(entry.target))
