"""A layer's stream on its way in, and files' content on its way to disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from imgfetch.errors import LayerLimitError
from imgfetch.oci.digest import Digest, new_hash

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.layer.options import Limits
    from imgfetch.tar.compression import Decompression
    from imgfetch.tar.entry import Entry
    from imgfetch.tar.reader import TarReader


class MeasuredStream:
    """The pieces of an uncompressed stream, hashed and measured as they pass.

    Args:
        stream: where they come from.
        algorithm: of the digest.
        limits: on the size, and on its ratio to the compressed size.

    Attributes:
        size: bytes so far.
    """

    def __init__(self, stream: Decompression, algorithm: str, limits: Limits) -> None:
        self.size = 0
        self._stream = stream
        self._algorithm = algorithm
        self._hash = new_hash(algorithm)
        self._limits = limits

    def __iter__(self) -> Iterator[bytes]:
        limits = self._limits
        for piece in self._stream:
            self.size += len(piece)
            if self.size > limits.ratio_from:
                self._check()
            self._hash.update(piece)
            yield piece

    @property
    def digest(self) -> Digest:
        """Of all pieces so far."""
        return Digest(self._algorithm, self._hash.hexdigest())

    def _check(self) -> None:
        limits = self._limits
        if self.size > limits.ratio * self._stream.consumed:
            message = "the layer expands as only a decompression bomb does"
            raise LayerLimitError(message, expected=f"at most {limits.ratio} to 1")
        check_size(self.size, limits)


def check_size(size: int, limits: Limits) -> None:
    """Refuse what is larger than any layer.

    Raises:
        LayerLimitError: it is.
    """
    if size > limits.size:
        message = "the layer's content is too large"
        raise LayerLimitError(message, expected=f"at most {limits.size} bytes", actual=size)


def write_content(fd: int, entry: Entry, reader: TarReader) -> None:
    """Write an entry's content to a new file, with its holes."""
    if entry.sparse is None:
        content = reader.whole()
        if content is None:
            _write(fd, reader, entry.stored)
        elif (written := os.write(fd, content)) < len(content):
            _write_piece(fd, content[written:])
        return
    for offset, length in entry.sparse:
        os.lseek(fd, offset, os.SEEK_SET)
        _write(fd, reader, length)
    os.ftruncate(fd, entry.size)


def _write(fd: int, reader: TarReader, size: int) -> None:
    for piece in reader.take(size):
        _write_piece(fd, piece)


def _write_piece(fd: int, piece: memoryview) -> None:
    written = os.write(fd, piece)
    while written < len(piece):
        written += os.write(fd, piece[written:])
