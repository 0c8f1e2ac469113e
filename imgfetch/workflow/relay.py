"""Content on its way through: verified as it passes, its last part held back until the end.

Whoever receives it never gets all of something that is not what was promised, and nothing
of it is kept here.
"""

from __future__ import annotations

import io
from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from imgfetch.oci.unverified import Unverified

_BUFFER = 256 << 10


def verified_chunks(content: Unverified) -> Iterator[bytes]:
    """The bytes of some content; the last ones come when all of them are known to be right.

    Raises:
        VerificationError: other content than promised.
        ImgfetchError: the transfer failed.
    """
    verifier = content.verifier()
    last = b""
    with closing(content.chunks(0)) as chunks:
        for chunk in chunks:
            verifier.update(chunk)
            if last:
                yield last
            last = chunk
    verifier.finish()
    yield last


def as_file(open_chunks: Callable[[], Iterator[bytes]]) -> BinaryIO:
    """Chunks as a file that is read from its start.

    Args:
        open_chunks: begins a transfer; called when reading begins.
    """
    return cast("BinaryIO", io.BufferedReader(_Chunks(open_chunks), _BUFFER))


class _Chunks(io.RawIOBase):
    def __init__(self, open_chunks: Callable[[], Iterator[bytes]]) -> None:
        self._open = open_chunks
        self._chunks: Iterator[bytes] | None = None
        self._rest = memoryview(b"")
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_CUR:
            offset += self._position
        if offset != self._position:
            message = "a stream can't be read from the middle"
            raise io.UnsupportedOperation(message)
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed's type has no name at run time
        if self._chunks is None:
            self._chunks = self._open()
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self._position += count
        return count

    def close(self) -> None:
        chunks, self._chunks = self._chunks, iter(())
        if isinstance(chunks, Generator):
            chunks.close()
        super().close()
