"""Applies one layer to a directory tree.

image-spec layer.md "Applying Changesets", over what the layers below have made there: a
directory over a directory keeps what is in it and takes the entry's attributes; anything
else replaces what it meets; whiteouts remove what is of the layers below, wherever in the
archive they stand. Where one layer has a name twice, the last entry counts.

Everything happens below one directory's descriptor, in a tree that nobody else writes to.
No entry can reach out of it (`imgfetch.layer.tree`), nothing that exists is ever opened
to be written, and no link is followed but in the directories of a path.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from imgfetch.errors import (
    DiffIDMismatchError,
    LayerError,
    LayerLimitError,
    MalformedLayerError,
    UnsafeLayerError,
    UnsupportedContentError,
)
from imgfetch.interfaces import LayerStats
from imgfetch.layer import failure, whiteout
from imgfetch.layer.content import MeasuredStream, check_size, write_content
from imgfetch.layer.devices import DeviceMaker
from imgfetch.layer.metadata import MetadataWriter
from imgfetch.layer.options import ApplyOptions
from imgfetch.layer.tree import Directory, Tree
from imgfetch.tar.compression import Decompression
from imgfetch.tar.entry import printable
from imgfetch.tar.readahead import ReadAhead
from imgfetch.tar.reader import TarReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.oci.image import Layer
    from imgfetch.tar.entry import Entry

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_NAMES = frozenset({b"", b".", b".."})


class Applier:
    """Applies layers, all in the same way.

    Args:
        options: how.
    """

    def __init__(self, options: ApplyOptions | None = None) -> None:
        self._options = options or ApplyOptions()

    def apply(self, blob: BinaryIO, layer: Layer, root: int) -> LayerStats:
        """See `imgfetch.interfaces.LayerApplier`.

        Raises:
            MalformedLayerError: not a well-formed archive.
            UnsafeLayerError: an entry with no safe meaning.
            LayerLimitError: beyond the limits.
            LayerError: an entry that can't be made here.
            UnsupportedContentError: an entry of a type that is not handled.
            DiffIDMismatchError: another stream than the config promises.
            NoSpaceError: no space or inodes left.
        """
        options = self._options
        stream = MeasuredStream(Decompression(blob), layer.diff_id.algorithm, options.limits)
        ahead = ReadAhead(stream) if options.read_ahead else None
        application = _Application(options, TarReader(ahead or iter(stream)), root)
        try:
            application.run()
        except OSError as error:
            raised = failure.of_system(error, application.entry, root)
            raise failure.in_layer(raised, layer, application.entry) from error
        except (LayerError, UnsupportedContentError) as error:
            raise failure.in_layer(error, layer, application.entry) from error
        finally:
            if ahead is not None:
                ahead.close()
            application.close()
        if stream.digest != layer.diff_id:
            message = f"layer {layer.descriptor.digest} is not what the config says"
            raise DiffIDMismatchError(message, expected=layer.diff_id, actual=stream.digest)
        return application.stats(stream.size)


class _Application:
    """One layer on its way into one tree.

    Attributes:
        entry: the one at hand, for errors.
    """

    def __init__(self, options: ApplyOptions, reader: TarReader, root: int) -> None:
        self.entry: Entry | None = None
        self._options = options
        self._reader = reader
        self._tree = Tree(root)
        self._metadata = MetadataWriter(options)
        self._devices = DeviceMaker(options.devices)
        self._entries = 0
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

    def close(self) -> None:
        self._tree.close()

    def stats(self, size: int) -> LayerStats:
        return LayerStats(
            entries=self._entries,
            size=size,
            skipped_devices=self._devices.skipped,
            dropped_xattrs=tuple(sorted(self._metadata.xattrs.dropped)),
            unmapped_owners=self._metadata.unmapped,
        )

    def run(self) -> None:
        limit = self._options.limits.entries
        while (entry := self._reader.next()) is not None:
            self.entry = entry
            self._entries += 1
            if self._entries > limit:
                message = "the layer has too many entries"
                raise LayerLimitError(message, expected=f"at most {limit}")
            self._apply(entry)
        self.entry = None
        self._reader.drain()
        self._finish_directories()

    def _apply(self, entry: Entry) -> None:
        name = entry.name
        if b".." in name:
            _check_no_parents(name)
        path, _, last = name.rpartition(b"/")
        if last in _NO_NAMES:
            path, last = _split(name)
            if not last:
                self._describe_root(entry)
                return
        if b".wh." in name and self._apply_whiteout(path, last):
            return
        directory = self._tree.find(path, create=True)
        if directory is not None:
            self._makers[entry.kind](entry, directory, last)
            directory.note(last)

    def _apply_whiteout(self, path: bytes, last: bytes) -> bool:
        if whiteout.is_note(path + b"/" + last):
            return True
        found = whiteout.classify(last)
        if found is None:
            return False
        directory = self._tree.find(path, create=False)
        if directory is not None:
            if found.hides is None:
                self._tree.hide_all(directory)
            else:
                self._tree.hide(directory, found.hides)
        return True

    def _describe_root(self, entry: Entry) -> None:
        if entry.kind != "directory":
            message = f"{printable(entry.name)} would replace the root directory"
            raise UnsafeLayerError(message, actual=entry.kind)
        self._metadata.owner(entry)
        self._tree.root.entry = entry

    def _make_file(self, entry: Entry, directory: Directory, name: bytes) -> None:
        self._size += entry.size
        check_size(self._size, self._options.limits)
        permissions = entry.mode & 0o777
        try:
            fd = os.open(name, _CREATE, permissions, dir_fd=self._tree.fd(directory))
        except FileExistsError:
            self._tree.remove(directory, name)
            fd = os.open(name, _CREATE, permissions, dir_fd=self._tree.fd(directory))
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
            if present is None and self._options.keep_dirlinks:
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
        if b".." in entry.target:
            _check_no_parents(entry.target)
        path, old_name = _split(entry.target)
        source = self._tree.find(path, create=False) if old_name else None
        if source is None:
            _refuse_target(entry)
        try:
            self._link(source, old_name, directory, name)
        except FileNotFoundError:
            _refuse_target(entry)

    def _link(self, source: Directory, old: bytes, directory: Directory, new: bytes) -> None:
        old_fd, new_fd = self._tree.fds(source, directory)
        # os.link follows a link in the last place unless it is told not to.
        try:
            os.link(old, new, src_dir_fd=old_fd, dst_dir_fd=new_fd, follow_symlinks=False)
        except FileExistsError:
            if not _are_same(old, old_fd, new, new_fd):
                self._tree.remove(directory, new)
                self._link(source, old, directory, new)
        except PermissionError as error:
            if self._tree.enter(source, old) is None:
                raise
            message = f"{printable(old)} is a directory, which a hard link can't repeat"
            raise UnsafeLayerError(message) from error

    def _finish_directories(self) -> None:
        """Give directories what writing into them would have undone."""
        for directory in self._tree.touched():
            if directory.entry is not None:
                self.entry = directory.entry
                self._finish_directory(directory, directory.entry)
            elif directory.permissions is not None:
                fd = self._tree.open(directory)
                try:
                    os.fchmod(fd, directory.permissions)
                    os.utime(fd, ns=directory.times)
                finally:
                    os.close(fd)
            elif directory.changed:
                self._set_times(directory, directory.times)

    def _finish_directory(self, directory: Directory, entry: Entry) -> None:
        if directory.is_new and self._metadata.directory_is_finished(
            entry, inherits=directory.inherits
        ):
            self._set_times(directory, (entry.mtime_ns, entry.mtime_ns))
            return
        fd = self._tree.open(directory)
        try:
            self._metadata.finish_directory(
                fd, entry, is_new=directory.is_new, inherits=directory.inherits
            )
        finally:
            os.close(fd)

    def _set_times(self, directory: Directory, times: tuple[int, int]) -> None:
        above = self._tree.fd(directory.parent)
        os.utime(directory.name or b".", ns=times, dir_fd=above, follow_symlinks=False)


def _split(name: bytes) -> tuple[bytes, bytes]:
    """The path of the directory, and the last component; empty for the root itself.

    Raises:
        MalformedLayerError: no name at all.
    """
    names = [part for part in name.split(b"/") if part not in {b"", b"."}]
    if names:
        return b"/".join(names[:-1]), names[-1]
    if not name:
        message = "an entry has no name"
        raise MalformedLayerError(message)
    return b"", b""


def _check_no_parents(name: bytes) -> None:
    if b".." in name.split(b"/"):
        # Nobody needs it, and what it means depends on links before it.
        message = f"{printable(name)} has a component that leads upwards"
        raise UnsafeLayerError(message)


def _refuse_target(entry: Entry) -> NoReturn:
    message = f"{printable(entry.name)} is a hard link to a file that is not there"
    raise MalformedLayerError(message, actual=printable(entry.target))


def _are_same(old: bytes, old_fd: int, new: bytes, new_fd: int) -> bool:
    return os.path.samestat(
        os.stat(old, dir_fd=old_fd, follow_symlinks=False),
        os.stat(new, dir_fd=new_fd, follow_symlinks=False),
    )
