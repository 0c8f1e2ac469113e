"""Bodies that were compressed on the way although nobody asked for it.

Requests say ``Accept-Encoding: identity``; some proxies compress all the same, and some
storages label a compressed layer as an encoding of itself. What is decoded is decided by
the length where there is one, and by the bytes themselves; one level at most, within the
same limits as without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.errors import MalformedLayerError, RegistryError, UnsupportedContentError
from imgfetch.tar.compression import Decompression

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from typing import BinaryIO

    from imgfetch.registry.response import Response


def is_encoded(response: Response) -> bool:
    """Whether a response says that its body is an encoding of what was asked for."""
    return response.header("Content-Encoding").lower() not in {"", "identity"}


def decoded(response: Response, chunks: Iterable[bytes]) -> Generator[bytes, None, None]:
    """A body without its encoding; as it is where its bytes are no encoding known.

    Raises:
        RegistryError: the encoding is broken.
    """
    reader: BinaryIO = _Reader(chunks)  # type: ignore[assignment]  # only read is needed
    try:
        yield from Decompression(reader)
    except (MalformedLayerError, UnsupportedContentError) as error:
        message = f"{response.url.origin.netloc} sends a broken Content-Encoding"
        raise RegistryError(message, actual=error.message) from error


def document(response: Response, raw: bytes, limit: int, what: str) -> bytes:
    """A document without its encoding.

    Raises:
        RegistryError: the encoding is broken, or the document longer than the limit.
    """
    if not is_encoded(response):
        return raw
    content = bytearray()
    for chunk in decoded(response, [raw]):
        content += chunk
        if len(content) > limit:
            message = f"{what} from {response.url.origin.netloc} is too large"
            raise RegistryError(message, expected=f"at most {limit} bytes")
    return bytes(content)


class _Reader:
    """Chunks as a file to read from."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Some bytes, empty at the end."""
        if not self._rest:
            self._rest = next(self._chunks, b"")
        part, self._rest = self._rest[:size], self._rest[size:]
        return part
