"""What the tar reader finds in a stream."""

from __future__ import annotations

from collections.abc import Iterator

from imgfetch.tar.entry import Entry
from imgfetch.tar.reader import TarReader


def pieces(stream: bytes, size: int) -> Iterator[bytes]:
    return (stream[at : at + size] for at in range(0, len(stream), size))


def read(stream: bytes, size: int = 1 << 20) -> list[tuple[Entry, bytes]]:
    reader = TarReader(pieces(stream, size))
    return [(entry, b"".join(reader.take(entry.stored))) for entry in reader]


def entries(stream: bytes) -> list[Entry]:
    return [entry for entry, _ in read(stream)]


def names(stream: bytes) -> list[bytes]:
    return [entry.name for entry in entries(stream)]
