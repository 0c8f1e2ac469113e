"""Reading a tar archive as a stream: entries in order, each with its content.

POSIX pax(1), with GNU's long names and sparse files. One pass, bounded memory, and a few
microseconds an entry: layers have tens of thousands.

The archive ends with two blocks of zeros or with the stream. A single block of zeros with
more behind it is refused: some readers would stop there and some would not. What follows
the end is the caller's to read, who has to hash it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from imgfetch.errors import LayerLimitError, MalformedLayerError
from imgfetch.tar import header, sparse
from imgfetch.tar.extensions import Extensions, check_names
from imgfetch.tar.header import BLOCK, ZEROS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgfetch.tar.entry import Entry

# An extended header is read into memory whole (CVE-2017-14992, CVE-2025-58183).
EXTENSION_LIMIT = 1 << 20

_PADDING = BLOCK - 1
# Entries that more than one block describes.
_LONG = header.EXTENSIONS | {header.GNU_SPARSE}


class TarReader:
    """The entries of an archive.

    Args:
        chunks: the uncompressed stream, in pieces of any size but 0.
        skip: skips bytes of the stream without reading them, for archives in plain
            files; None to read everything.
    """

    __slots__ = (
        "_at",
        "_chunk",
        "_chunks",
        "_extensions",
        "_left",
        "_pad",
        "_position",
        "_skip",
        "_view",
    )

    def __init__(
        self, chunks: Iterator[bytes], *, skip: Callable[[int], None] | None = None
    ) -> None:
        self._chunks = chunks
        self._skip = skip
        self._chunk = b""
        self._view = memoryview(self._chunk)
        self._at = 0
        # Where the current chunk starts in the stream.
        self._position = 0
        # What was not taken yet of the entry's content, and the padding after it.
        self._left = 0
        self._pad = 0
        self._extensions = Extensions()

    def __iter__(self) -> Iterator[Entry]:
        while (entry := self.next()) is not None:
            yield entry

    def next(self) -> Entry | None:
        """The next entry; None at the archive's end. Content not taken yet is skipped.

        Raises:
            MalformedLayerError: damaged, cut off, or ambiguous.
            LayerLimitError: headers beyond the limits.
            UnsupportedContentError: an entry of a type that is not handled.
        """
        at = self._at + self._left + self._pad
        block = self._chunk[at : at + BLOCK]
        if len(block) == BLOCK and block[0]:
            self._at = at + BLOCK
        elif (following := self._next_header()) is None:
            return None
        else:
            block = following
        if block[156] in _LONG or self._extensions.everywhere:
            entry = self._long(block)
            if entry is None:
                return None
        else:
            entry = header.decode(block, self._position + self._at)
        if entry.name[-1:] == b"/" and entry.kind == "file":
            entry = header.as_directory(entry)
        self._left = stored = entry.stored
        self._pad = -stored & _PADDING
        return entry

    def take(self, size: int) -> Iterator[memoryview]:
        """The next bytes of the entry's content, in pieces that are valid for good.

        Args:
            size: at most so many.

        Raises:
            MalformedLayerError: the stream ends before.
        """
        wanted = min(size, self._left)
        while wanted:
            piece = self._view[self._at : self._at + wanted]
            taken = len(piece)
            if taken:
                self._at += taken
                self._left -= taken
                wanted -= taken
                yield piece
            elif not self._advance():
                _refuse("the archive ends inside an entry's content")

    def whole(self) -> memoryview | None:
        """All of the entry's content, if it is at hand in one piece: most files are."""
        at = self._at
        end = at + self._left
        if end > len(self._chunk):
            return None
        self._at = end
        self._left = 0
        return self._view[at:end]

    def drain(self) -> None:
        """Read what is left of the stream, whatever it is."""
        while self._advance():
            pass

    def _next_header(self) -> bytes | None:
        """The next block that is not of zeros; None at the end."""
        end = self._at + self._left + self._pad
        if end <= len(self._chunk):
            self._at = end
            self._left = self._pad = 0
        else:
            self._skip_rest()
        block = self._block()
        if block != ZEROS:
            return block
        if self._block() not in {ZEROS, None}:
            _refuse("the archive has an end-of-archive block with entries behind it")
        return None

    def _block(self) -> bytes | None:
        """The next 512 bytes; None at the end of the stream."""
        at = self._at
        block = self._chunk[at : at + BLOCK]
        if len(block) == BLOCK:
            self._at = at + BLOCK
            return block
        self._at = len(self._chunk)
        while len(block) < BLOCK:
            if not self._advance():
                if block:
                    _refuse("the archive ends inside a header")
                return None
            self._at = min(BLOCK - len(block), len(self._chunk))
            block += self._chunk[: self._at]
        return block

    def _advance(self) -> bool:
        """Go to the next chunk; False at the end of the stream."""
        chunk = next(self._chunks, None)
        if chunk is None:
            return False
        self._position += len(self._chunk)
        self._chunk = chunk
        self._view = memoryview(chunk)
        self._at = 0
        return True

    def _skip_rest(self) -> None:
        """Skip what was not taken of the entry before."""
        if self._left and self._skip is not None:
            beyond = self._left - (len(self._chunk) - self._at)
            if beyond > 0:
                self._skip(beyond)
                self._position += beyond
                self._at = len(self._chunk)
                self._left = 0
        for _ in self.take(self._left):
            pass
        pad, self._pad = self._pad, 0
        while pad:
            here = min(pad, len(self._chunk) - self._at)
            self._at += here
            pad -= here
            if pad and not self._advance():
                return  # some writers leave the last padding out

    def _long(self, block: bytes) -> Entry | None:
        """An entry that more than one block may describe; None at the archive's end."""
        extensions = self._extensions
        while block[156] in header.EXTENSIONS:
            extensions.collect(block[156], self._extension(block))
            following = self._next_header()
            if following is None:
                extensions.check_unused()
                return None
            block = following
        records, entry = extensions.apply(header.decode(block, self._position + self._at))
        if block[156] == header.GNU_SPARSE:
            entry = sparse.old_format(block, entry, self._read_block)
        else:
            self._left = entry.stored
            entry = sparse.pax_format(records, entry, self._read_content_block)
        check_names(entry)
        return entry

    def _extension(self, block: bytes) -> bytes:
        size = header.extension_size(block)
        if size > EXTENSION_LIMIT:
            message = "an extended tar header is too large"
            raise LayerLimitError(message, expected=f"at most {EXTENSION_LIMIT} bytes", actual=size)
        self._left, self._pad = size, -size & _PADDING
        return b"".join(self.take(size))

    def _read_block(self) -> bytes:
        block = self._block()
        if block is None:
            _refuse("the archive ends inside a header")
        return block

    def _read_content_block(self) -> bytes:
        block = b"".join(self.take(BLOCK))
        if len(block) < BLOCK:
            _refuse("a sparse file's map is longer than its content")
        return block


def _refuse(message: str) -> NoReturn:
    raise MalformedLayerError(message)
