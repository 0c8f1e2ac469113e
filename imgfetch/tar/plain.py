"""The bytes of a plain file as a stream that can skip, for archives that are not compressed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from imgfetch.errors import MalformedLayerError

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 1 << 16


class FileChunks:
    """A file's content in pieces, from where the file stands.

    Args:
        file: a regular file, unbuffered.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk = self._file.read(CHUNK)
        if not chunk:
            raise StopIteration
        return chunk

    def skip(self, size: int) -> None:
        """Go on ``size`` bytes further.

        Raises:
            MalformedLayerError: the file ends before.
        """
        if self._file.seek(size, os.SEEK_CUR) > self._size:
            message = "the archive ends inside an entry's content"
            raise MalformedLayerError(message)
