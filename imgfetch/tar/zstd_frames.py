"""Where zstd frames begin and end.

RFC 8878 section 3.1.1. The decoder says nothing when its input ends inside a frame: it
gives what it has. So the headers of frames and blocks are followed beside it, which is a
few steps for each 128 KiB of content.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    class Source(Protocol):
        """What bytes are read from."""

        def read(self, size: int, /) -> bytes:
            """Some bytes; empty at the end."""
            ...


MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = b"\x2a\x4d\x18"
_DICTIONARY_ID_SIZES = (0, 1, 2, 4)
_CONTENT_SIZE_SIZES = (0, 2, 4, 8)
_RUN_LENGTH_BLOCK = 1
_CHECKSUM_SIZE = 4


def is_skippable(magic: bytes) -> bool:
    """Whether these four bytes start a skippable frame (3.1.2)."""
    return magic[1:4] == _SKIPPABLE and magic[0] & 0xF0 == 0x50  # noqa: PLR2004 - 0x50 to 0x5F


class WatchedFrames:
    """A source of zstd frames that knows whether the last one is whole.

    Args:
        source: what to read from.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        # The header that is being put together, and how much of it there has to be.
        self._header = bytearray()
        self._needed = 4
        self._skip = 0
        self._in_frame = False
        self._has_checksum = False

    @property
    def complete(self) -> bool:
        """Whether all that was read so far are whole frames."""
        return not (self._in_frame or self._header or self._skip)

    def read(self, size: int = -1) -> bytes:
        """Some of the source's bytes."""
        data = self._source.read(size)
        at = 0
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
            else:
                step = min(self._needed - len(self._header), len(data) - at)
                self._header += data[at : at + step]
                if len(self._header) == self._needed:
                    self._on_header(bytes(self._header))
            at += step
        return data

    def _on_header(self, header: bytes) -> None:
        if self._in_frame:
            self._on_block(int.from_bytes(header, "little"))
        elif is_skippable(header):
            if len(header) < 8:  # noqa: PLR2004 - the magic number and a length of four bytes
                self._needed = 8
                return
            self._expect(4, skip=int.from_bytes(header[4:8], "little"))
        else:
            self._on_frame(header)

    def _on_frame(self, header: bytes) -> None:
        if len(header) == len(MAGIC):
            self._needed = 5
            return
        descriptor = header[4]
        single_segment = descriptor >> 5 & 1
        content_size = _CONTENT_SIZE_SIZES[descriptor >> 6] or single_segment
        self._has_checksum = bool(descriptor >> 2 & 1)
        self._in_frame = True
        window = 1 - single_segment
        self._expect(3, skip=window + _DICTIONARY_ID_SIZES[descriptor & 3] + content_size)

    def _on_block(self, header: int) -> None:
        is_last, kind, size = header & 1, header >> 1 & 3, header >> 3
        skip = 1 if kind == _RUN_LENGTH_BLOCK else size
        if not is_last:
            self._expect(3, skip=skip)
            return
        self._in_frame = False
        self._expect(4, skip=skip + (_CHECKSUM_SIZE if self._has_checksum else 0))

    def _expect(self, needed: int, *, skip: int) -> None:
        self._header.clear()
        self._needed = needed
        self._skip = skip
