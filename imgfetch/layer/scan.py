"""Reading layers without applying them: their entries, and later the content of some.

A layer is read to its end and its digest compared with the diffID before anything of it
is used. Content is read in a second pass: by then it is known which is wanted.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from imgfetch.errors import (
    DiffIDMismatchError,
    LayerError,
    LayerLimitError,
    UnsupportedContentError,
)
from imgfetch.layer import failure
from imgfetch.layer.content import MeasuredStream, check_size
from imgfetch.layer.options import Limits
from imgfetch.oci.digest import new_hash
from imgfetch.tar.compression import Decompression
from imgfetch.tar.readahead import ReadAhead
from imgfetch.tar.reader import TarReader

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from imgfetch.layer.merged import MergedTree
    from imgfetch.oci.image import Layer
    from imgfetch.tar.entry import Entry


class Extent(NamedTuple):
    """A part of a layer's uncompressed stream.

    Attributes:
        offset: in bytes from its start.
        size: in bytes.
    """

    offset: int
    size: int


def merge(blob: BinaryIO, layer: Layer, tree: MergedTree, limits: Limits | None = None) -> int:
    """Put a layer on top of a tree.

    Args:
        blob: as it is stored, at its start.
        layer: what it is.
        tree: with the layers below.
        limits: on the layer.

    Returns:
        Bytes of its uncompressed stream.

    Raises:
        MalformedLayerError: not a well-formed archive.
        UnsafeLayerError: an entry with no safe meaning.
        LayerLimitError: beyond the limits.
        UnsupportedContentError: an entry of a type that is not handled.
        DiffIDMismatchError: another stream than the config promises; nothing of the tree may
            be used then.
    """
    limits = limits or Limits()
    stream = MeasuredStream(Decompression(blob), layer.diff_id.algorithm, limits)
    try:
        with _ahead(stream) as pieces:
            reader = TarReader(pieces)
            tree.add_layer(_limited(reader, limits))
            reader.drain()
    except (LayerError, UnsupportedContentError) as error:
        raise failure.in_layer(error, layer, None) from error
    if stream.digest != layer.diff_id:
        message = f"layer {layer.descriptor.digest} is not what the config says"
        raise DiffIDMismatchError(message, expected=layer.diff_id, actual=stream.digest)
    return stream.size


def is_plain(blob: BinaryIO) -> bool:
    """Whether a blob, at its start, is not compressed."""
    return Decompression(blob).format == "none"


def extract(blob: BinaryIO, extents: Sequence[Extent]) -> Iterator[memoryview]:
    """Parts of a layer that was read before.

    Args:
        blob: as it is stored, at its start.
        extents: in order and without overlaps.

    Yields:
        Pieces of them, in order.
    """
    position = number = 0
    for piece in Decompression(blob):
        end = position + len(piece)
        view = memoryview(piece)
        while number < len(extents) and extents[number].offset < end:
            first, size = extents[number]
            last = first + size
            yield view[max(first - position, 0) : last - position]
            if last > end:
                break
            number += 1
        position = end
        if number == len(extents):
            return


def hashes(blob: BinaryIO, extents: Sequence[tuple[int, int]]) -> Iterator[tuple[int, bytes]]:
    """SHA-256 of parts of a layer that was read before.

    Args:
        blob: as it is stored, at its start.
        extents: (offset, size) in order and without overlaps, none of them empty.

    Yields:
        Offset and hash of each.
    """
    waiting = iter(extents)
    offset, left, content = 0, 0, new_hash("sha256")
    for piece in extract(blob, [Extent(*extent) for extent in extents]):
        if not left:
            offset, left = next(waiting)
            content = new_hash("sha256")
        content.update(piece)
        left -= len(piece)
        if not left:
            yield offset, content.digest()


@contextmanager
def _ahead(stream: Iterable[bytes]) -> Generator[Iterator[bytes]]:
    thread = ReadAhead(stream)
    try:
        yield thread
    finally:
        thread.close()


def _limited(reader: TarReader, limits: Limits) -> Iterator[Entry]:
    size = 0
    for number, entry in enumerate(reader, 1):
        if number > limits.entries:
            message = "the layer has too many entries"
            raise LayerLimitError(message, expected=f"at most {limits.entries}")
        size += entry.size
        check_size(size, limits)
        yield entry
