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
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from imgfetch.errors import (
    DiffIDMismatchError,
    LayerError,
    LayerLimitError,
    UnsafeLayerError,
    UnsupportedContentError,
)
from imgfetch.interfaces import LayerDiff, LayerStats
from imgfetch.layer import failure, whiteout
from imgfetch.layer.content import MeasuredStream
from imgfetch.layer.creation import Creator
from imgfetch.layer.diff import DiffTree
from imgfetch.layer.metadata import MetadataWriter
from imgfetch.layer.names import split
from imgfetch.layer.options import ApplyOptions
from imgfetch.layer.tree import Tree
from imgfetch.tar.compression import Decompression
from imgfetch.tar.entry import printable
from imgfetch.tar.readahead import ReadAhead
from imgfetch.tar.reader import TarReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imgfetch.layer.directory import Directory
    from imgfetch.oci.image import Layer
    from imgfetch.tar.entry import Entry


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
        return self._apply(blob, layer, root, Tree(root, self._options.limits.directories))

    def diff(self, blob: BinaryIO, layer: Layer, root: int, *, opaque: str) -> LayerDiff | None:
        """See `imgfetch.interfaces.LayerApplier`.

        Raises:
            DiffIDMismatchError: another stream than the config promises.
            NoSpaceError: no space or inodes left.
        """
        tree = DiffTree(root, self._options.limits.directories, opaque)
        try:
            stats = self._apply(blob, layer, root, tree)
        except (LayerError, UnsupportedContentError):
            # What is wrong with it by itself may be right on top of the others, and what
            # is wrong in any case is found again there.
            return None
        return LayerDiff(stats, tuple(tree.whiteouts), tuple(tree.opaques))

    def _apply(self, blob: BinaryIO, layer: Layer, root: int, tree: Tree) -> LayerStats:
        options = self._options
        application = _Application(options)
        try:
            with tree:
                content = Decompression(blob)
                stream = MeasuredStream(content, layer.diff_id.algorithm, options.limits)
                with _pieces(stream, ahead=options.read_ahead) as pieces:
                    application.run(TarReader(pieces), tree)
        except OSError as error:
            raised = failure.of_system(error, application.entry, root)
            raise failure.in_layer(raised, layer, application.entry) from error
        except (LayerError, UnsupportedContentError) as error:
            raise failure.in_layer(error, layer, application.entry) from error
        if stream.digest != layer.diff_id:
            message = f"layer {layer.descriptor.digest} is not what the config says"
            raise DiffIDMismatchError(message, expected=layer.diff_id, actual=stream.digest)
        return replace(application.stats, size=stream.size, compression=content.format)


@contextmanager
def _pieces(stream: Iterable[bytes], *, ahead: bool) -> Iterator[Iterator[bytes]]:
    if not ahead:
        yield iter(stream)
        return
    thread = ReadAhead(stream)
    try:
        yield thread
    finally:
        thread.close()


class _Application:
    """One layer on its way into one tree.

    Attributes:
        entry: the one at hand, for errors.
        stats: what was done, once it is done.
    """

    def __init__(self, options: ApplyOptions) -> None:
        self.entry: Entry | None = None
        self.stats = LayerStats(entries=0, size=0)
        self._options = options
        self._metadata = MetadataWriter(options)

    def run(self, reader: TarReader, tree: Tree) -> None:
        limit = self._options.limits.entries
        creator = Creator(self._options, reader, tree, self._metadata)
        entries = 0
        while (entry := reader.next()) is not None:
            self.entry = entry
            entries += 1
            if entries > limit:
                message = "the layer has too many entries"
                raise LayerLimitError(message, expected=f"at most {limit}")
            self._apply(entry, tree, creator)
        self.entry = None
        reader.drain()
        tree.settle()
        self._finish_directories(tree)
        self.stats = LayerStats(
            entries=entries,
            size=0,
            skipped_devices=creator.skipped_devices,
            dropped_xattrs=tuple(sorted(self._metadata.xattrs.dropped)),
            unmapped_owners=self._metadata.unmapped,
            describes_root=tree.root.entry is not None,
        )

    def _apply(self, entry: Entry, tree: Tree, creator: Creator) -> None:
        path, name = split(entry.name)
        if not name:
            self._describe_root(entry, tree)
        elif b".wh." not in entry.name or not _apply_whiteout(path, name, tree):
            directory = tree.find(path, create=True)
            if directory is not None:
                creator.make(entry, directory, name)

    def _describe_root(self, entry: Entry, tree: Tree) -> None:
        if entry.kind != "directory":
            message = f"{printable(entry.name)} would replace the root directory"
            raise UnsafeLayerError(message, actual=entry.kind)
        self._metadata.owner(entry)
        tree.root.entry = entry

    def _finish_directories(self, tree: Tree) -> None:
        """Give directories what writing into them would have undone."""
        for directory in tree.touched():
            if directory.entry is not None:
                self.entry = directory.entry
                self._finish_directory(directory, directory.entry, tree)
            elif directory.permissions is not None:
                fd = tree.open(directory)
                try:
                    os.fchmod(fd, directory.permissions)
                    os.utime(fd, ns=directory.times)
                finally:
                    os.close(fd)
            elif directory.changed:
                _set_times(directory, directory.times, tree)

    def _finish_directory(self, directory: Directory, entry: Entry, tree: Tree) -> None:
        if self._metadata.directory_is_finished(directory, entry):
            _set_times(directory, (entry.mtime_ns, entry.mtime_ns), tree)
            return
        fd = tree.open(directory)
        try:
            self._metadata.finish_directory(fd, directory, entry)
        finally:
            os.close(fd)


def _apply_whiteout(path: bytes, name: bytes, tree: Tree) -> bool:
    """Do what a name means; False when it has no such meaning."""
    if whiteout.is_note(path + b"/" + name):
        return True
    found = whiteout.classify(name)
    if found is None:
        return False
    directory = tree.find(path, create=False)
    if directory is not None:
        if found.hides is None:
            tree.hide_all(directory)
        else:
            tree.hide(directory, found.hides)
    return True


def _set_times(directory: Directory, times: tuple[int, int], tree: Tree) -> None:
    above = tree.fd(directory.parent)
    os.utime(directory.name or b".", ns=times, dir_fd=above, follow_symlinks=False)
