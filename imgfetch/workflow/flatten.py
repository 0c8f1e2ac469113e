"""An image's root filesystem as entries and their content, straight from the layers.

First the layers' entries are merged, which reads and verifies every layer. What is wanted
of the content is then taken out of the compressed layers, in one more pass over those, into
a file without a name; layers that are not compressed are read where they are.
"""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import ExitStack
from typing import TYPE_CHECKING

from imgfetch.errors import ContentError, LayerError, StoreCorruptError, VerificationError
from imgfetch.fs.atomic import write_all
from imgfetch.fs.space import is_no_space, no_space
from imgfetch.layer.merged import Inode, MergedTree
from imgfetch.layer.scan import Extent, extract, is_plain, merge
from imgfetch.layer.xattrs import is_allowed
from imgfetch.tar.writer import has_writable_holes
from imgfetch.workflow.verified import read_verified

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import BinaryIO, Self

    from imgfetch.interfaces import ContentStore, Progress
    from imgfetch.layer.merged import Node
    from imgfetch.oci.image import Layer
    from imgfetch.tar.entry import Entry
    from imgfetch.tar.writer import TarWriter

_CHUNK = 1 << 20

Named = tuple[bytes, "Node"]
"""A name that is written, and what is written under it."""


class Flattened:
    """The root filesystem of some layers; a context manager, which gives files back.

    Args:
        layers: lowest first.
        store: where their blobs are.
        progress: told about each layer.
        scratch: a directory for content that has to be decompressed.

    Attributes:
        tree: all names.

    Raises:
        LayerError: a layer that can't be applied.
        VerificationError: a layer that is not what the config says.
        StoreError: a blob is missing or damaged.
    """

    def __init__(
        self, layers: Sequence[Layer], store: ContentStore, progress: Progress, scratch: str
    ) -> None:
        self.tree = MergedTree()
        self._layers = layers
        self._store = store
        self._scratch = scratch
        self._files = ExitStack()
        # For each entry whose content was asked for: where it is, and from which byte on.
        self._places: dict[int, tuple[int, int]] = {}
        for layer in layers:
            progress.update(layer.descriptor, "applying", 0)
            merge_stored(layer, self.tree, store)
            progress.update(layer.descriptor, "applied", layer.descriptor.size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def write(
        self,
        named: Sequence[Named],
        archive: TarWriter,
        *,
        adapt: Callable[[Entry], Entry] | None = None,
    ) -> int:
        """Write entries and their content, in order.

        Names of one file after the first become hard links to that.

        Args:
            named: what is to be written.
            archive: where to.
            adapt: changes entries for a reader that has no room for all that they say, and
                doesn't know holes; None to write them as they are.

        Returns:
            How many extended attributes were left out, which mean something to the host.

        Raises:
            NoSpaceError: no room for content that has to be decompressed.
        """
        self._collect(node.inode for _, node in named if node.inode.entry.stored)
        first: dict[int, bytes] = {}
        dropped = 0
        for name, node in named:
            inode = node.inode
            other = first.setdefault(id(inode), name)
            if other != name:
                link = inode.entry._replace(kind="hardlink", size=0, stored=0, sparse=None)
                archive.add(link._replace(name=name, target=other, xattrs=()))
                continue
            entry = with_allowed_xattrs(inode.entry)
            dropped += len(inode.entry.xattrs) - len(entry.xattrs)
            content = self._content(inode)
            if adapt is not None or not has_writable_holes(entry):
                content = _without_holes(entry, content)
                entry = entry._replace(stored=entry.size, sparse=None)
            entry = adapt(entry) if adapt is not None else entry
            archive.add(entry._replace(name=name or b"./"), content)
        return dropped

    def _collect(self, inodes: Iterable[Inode]) -> None:
        """Have content where it can be read from anywhere."""
        wanted: dict[int, dict[int, Inode]] = defaultdict(dict)
        for inode in inodes:
            wanted[inode.layer][id(inode)] = inode
        spool: BinaryIO | None = None
        for number, of_layer in sorted(wanted.items()):
            blob = self._files.enter_context(self._store.open(self._layers[number].descriptor))
            ordered = sorted(of_layer.values(), key=lambda inode: inode.entry.offset)
            if is_plain(blob):
                for inode in ordered:
                    self._places[id(inode)] = (blob.fileno(), inode.entry.offset)
                continue
            spool = spool or self._new_spool()
            blob.seek(0)
            self._copy(blob, ordered, spool.fileno())

    def _new_spool(self) -> BinaryIO:
        # Images that are not compressed don't need it.
        import tempfile

        return self._files.enter_context(tempfile.TemporaryFile(dir=self._scratch, buffering=0))

    def _copy(self, blob: BinaryIO, inodes: Sequence[Inode], spool: int) -> None:
        at = os.lseek(spool, 0, os.SEEK_END)
        extents = [Extent(inode.entry.offset, inode.entry.stored) for inode in inodes]
        for inode in inodes:
            self._places[id(inode)] = (spool, at)
            at += inode.entry.stored
        try:
            for piece in extract(blob, extents):
                write_all(spool, piece)
        except OSError as error:
            if is_no_space(error):
                raise no_space(self._scratch, error=error) from error
            raise

    def _content(self, inode: Inode) -> Iterator[bytes]:
        left = inode.entry.stored
        fd, at = self._places[id(inode)] if left else (-1, 0)
        while left:
            chunk = os.pread(fd, min(left, _CHUNK), at)
            if not chunk:
                message = "content has become shorter while it was read"
                raise StoreCorruptError(message)
            at += len(chunk)
            left -= len(chunk)
            yield chunk


def merge_stored(layer: Layer, tree: MergedTree, store: ContentStore) -> int:
    """Put a layer of the store on top of a tree.

    Returns:
        Bytes of its uncompressed stream.

    Raises:
        LayerError: it can't be applied.
        VerificationError: it is not what the config says.
        StoreError: the blob is missing or damaged.
    """
    try:
        with store.open(layer.descriptor) as blob:
            return merge(blob, layer, tree)
    except (LayerError, VerificationError, ContentError):
        # Blobs are not verified on every use: a disk may have changed this one.
        for _ in read_verified(store, layer.descriptor):
            pass
        raise


def _without_holes(entry: Entry, content: Iterator[bytes]) -> Iterator[bytes]:
    """A file's content with zeros where a sparse one has nothing."""
    if entry.sparse is None:
        yield from content
        return
    at = 0
    data = b""
    for offset, length in entry.sparse:
        yield from _zeros(offset - at)
        at, end = offset, offset + length
        while at < end:
            data = data or next(content)
            piece = data[: end - at]
            yield piece
            data = data[len(piece) :]
            at += len(piece)
    yield from _zeros(entry.size - at)


def _zeros(size: int) -> Iterator[bytes]:
    for at in range(0, size, _CHUNK):
        yield bytes(min(_CHUNK, size - at))


def with_allowed_xattrs(entry: Entry) -> Entry:
    """An entry with those extended attributes that unpacking it would set."""
    if not entry.xattrs:
        return entry
    has_any = entry.kind in {"file", "directory"}
    kept = tuple(sorted(xattr for xattr in entry.xattrs if has_any and is_allowed(xattr[0])))
    return entry._replace(xattrs=kept)


def everything(tree: MergedTree) -> list[Named]:
    """All names, each directory before what is in it."""
    return list(tree.walk(tree.root))
