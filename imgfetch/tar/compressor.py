"""Compression of what is written: gzip and zstd, the same bytes for the same content.

No time, no name and no count of processors gets into the stream. The libraries' versions
do: another zlib may find shorter ways to say the same.
"""

from __future__ import annotations

from typing import Literal, Protocol

Compression = Literal["none", "gzip", "zstd"]

_GZIP_LEVEL = 6
_ZSTD_LEVEL = 3
_SUFFIXES: tuple[tuple[tuple[str, ...], Compression], ...] = (
    ((".gz", ".tgz"), "gzip"),
    ((".zst", ".tzst", ".zstd"), "zstd"),
)


class Compressor(Protocol):
    """Takes content, gives what is to be stored of it so far."""

    def compress(self, data: bytes | memoryview, /) -> bytes:
        """Take some content."""
        ...

    def flush(self) -> bytes:
        """What is left at the end."""
        ...


class _Plain:
    def compress(self, data: bytes | memoryview, /) -> bytes:
        return data if isinstance(data, bytes) else bytes(data)

    def flush(self) -> bytes:
        return b""


def new_compressor(compression: Compression) -> Compressor:
    """A compressor for one stream."""
    match compression:
        case "gzip":
            import zlib

            return zlib.compressobj(_GZIP_LEVEL, wbits=31)
        case "zstd":
            import zstandard

            return zstandard.ZstdCompressor(_ZSTD_LEVEL, write_checksum=True).compressobj()
        case "none":
            return _Plain()


def compression_of(name: str) -> Compression:
    """How a file is compressed that is called so."""
    return next((kind for ends, kind in _SUFFIXES if name.lower().endswith(ends)), "none")
