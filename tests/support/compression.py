"""Compression of test layers.

``gzip`` and ``zstd`` are what builders make; their bytes depend on the library's version.
The ``stored`` kinds are valid streams of uncompressed blocks, written here by hand: the same
bytes on every machine, which is what fixtures kept in the repository need.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from typing import Literal

import zstandard

Compression = Literal["none", "gzip", "zstd", "stored-gzip", "stored-zstd"]

_DEFLATE_BLOCK = 0xFFFF  # RFC 1951 3.2.4: LEN has two bytes
_ZSTD_BLOCK = 128 * 1024  # RFC 8878 3.1.1.2.4: Block_Maximum_Size
_ZSTD_MAGIC = 0xFD2FB528


def compress(data: bytes, compression: Compression) -> bytes:
    """A stream that decompresses to ``data``."""
    match compression:
        case "none":
            return data
        case "gzip":
            return gzip.compress(data, mtime=0)
        case "zstd":
            return zstandard.ZstdCompressor().compress(data)
        case "stored-gzip":
            return stored_gzip(data)
        case "stored-zstd":
            return stored_zstd(data)


def stored_gzip(data: bytes) -> bytes:
    """A gzip member (RFC 1952) of stored blocks, without name and time."""
    header = b"\x1f\x8b\x08\0" + bytes(4) + b"\0\xff"
    blocks = b"".join(
        struct.pack("<BHH", last, len(piece), len(piece) ^ 0xFFFF) + piece
        for piece, last in _pieces(data, _DEFLATE_BLOCK)
    )
    return header + blocks + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


def stored_zstd(data: bytes) -> bytes:
    """A zstd frame (RFC 8878) of raw blocks, with its size and without a checksum."""
    single_segment, size_of_four_bytes = 1 << 5, 2 << 6
    header = struct.pack("<IBI", _ZSTD_MAGIC, size_of_four_bytes | single_segment, len(data))
    blocks = b"".join(
        (len(piece) << 3 | last).to_bytes(3, "little") + piece
        for piece, last in _pieces(data, _ZSTD_BLOCK)
    )
    return header + blocks


def _pieces(data: bytes, size: int) -> Iterator[tuple[bytes, bool]]:
    """The data in pieces, at least one, each with whether it is the last."""
    for start in range(0, max(len(data), 1), size):
        yield data[start : start + size], start + size >= len(data)
