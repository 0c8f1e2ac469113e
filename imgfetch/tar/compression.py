"""Decompression of layers and archives, by what their first bytes say.

gzip (RFC 1952), zstd (RFC 8878), xz and bzip2, each with any number of members, frames or
streams; anything else is taken for an archive that is not compressed. Media types are not
asked: registries and builders mislabel layers.

Everything is read to its true end and checked there, because decoders are quiet about
what is missing: checksums and lengths, the end of the last frame, and what follows it. Zeros
after a gzip, xz or bzip2 stream are padding; other bytes are an error. The decoders run in
this process: a program by that name could come out of an image (CVE-2014-9357).
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol, cast

from imgfetch.errors import ImgfetchError, MalformedLayerError, UnsupportedContentError
from imgfetch.tar import zstd_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Format = Literal["gzip", "zstd", "xz", "bzip2", "none"]

# Pieces that stay in a processor's cache from the decoder to the hash and the file.
CHUNK = 512 * 1024
_READ = 256 * 1024

# What decoding may take of memory, whatever a header asks for: zstd's own default limit.
_WINDOW_LIMIT = 128 * 1024 * 1024
_XZ_MEMORY_LIMIT = 256 * 1024 * 1024

_MAGIC_LENGTH = 6


def sniff(start: bytes) -> Format:
    """The format of a stream that starts like this; six bytes are enough."""
    if start.startswith(b"\x1f\x8b\x08"):
        return "gzip"
    if start.startswith(zstd_frames.MAGIC) or zstd_frames.is_skippable(start[:4].ljust(4)):
        return "zstd"
    if start.startswith(b"\xfd7zXZ\0"):
        return "xz"
    if start.startswith(b"BZh"):
        return "bzip2"
    return "none"


class Decompression:
    """The content of a stream, in pieces of at most `CHUNK` bytes.

    Args:
        blob: the compressed stream, unbuffered, at its start.

    Attributes:
        format: how it is compressed.
        consumed: bytes read of it so far.
    """

    def __init__(self, blob: BinaryIO) -> None:
        self._blob = blob
        self.consumed = 0
        self._start = b""
        while len(self._start) < _MAGIC_LENGTH and (piece := self._fetch(_READ)):
            self._start += piece
        self.format: Format = sniff(self._start)

    def __iter__(self) -> Iterator[bytes]:
        """Decompress.

        Raises:
            MalformedLayerError: damaged, cut off, or with something else behind it.
            UnsupportedContentError: made so that it needs too much memory.
        """
        if self.format == "none":
            return iter(lambda: self.read(CHUNK), b"")
        if self.format == "zstd":
            return _zstd(self)
        return _members(self, self.format)

    def read(self, size: int) -> bytes:
        """Some of the compressed bytes; empty at the end."""
        start = self._start
        if not start:
            return self._fetch(size)
        self._start = start[size:]
        return start[:size]

    def _fetch(self, size: int) -> bytes:
        data = self._blob.read(size)
        self.consumed += len(data)
        return data


class _Decoder(Protocol):
    """A decoder of one member, as the standard library's bz2 and lzma have it."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _ZlibDecoder:
    """zlib's decoder of one gzip member in the shape of the others."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        tail = self._decoder.unconsumed_tail
        content = self._decoder.decompress(tail + data if tail else data, max_length)
        # A full piece may leave more in the decoder's own memory, so it is asked again.
        self.needs_input = not self._decoder.unconsumed_tail and len(content) < max_length
        return content


def _codec(kind: Format) -> tuple[Callable[[], _Decoder], tuple[type[Exception], ...]]:
    """What makes a decoder of one member, and what that raises on bad input."""
    if kind == "gzip":
        try:
            from isal import igzip_lib
        except ImportError:
            return _ZlibDecoder, (zlib.error,)
        # Three times as fast as zlib, and it checks CRC and length as well.
        failure = cast("type[Exception]", igzip_lib.IsalError)  # its stub says it is an instance
        return lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP), (failure,)
    if kind == "xz":
        import lzma

        return (
            lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_LIMIT),
            (lzma.LZMAError, EOFError),
        )
    import bz2

    return bz2.BZ2Decompressor, (OSError, ValueError, EOFError)


def _members(source: Decompression, kind: Format) -> Iterator[bytes]:
    """Members one after the other, up to the end or to padding."""
    new_decoder, errors = _codec(kind)
    decoder = new_decoder()
    data = source.read(_READ)
    while True:
        try:
            content = decoder.decompress(data, CHUNK)
        except errors as error:
            message = f"the {kind} stream is damaged"
            raise MalformedLayerError(message, actual=error) from error
        if content:
            yield content
        if decoder.eof:
            data = decoder.unused_data or source.read(_READ)
            if not data or not data[0]:
                _check_padding(source, data, kind)
                return
            decoder = new_decoder()
        elif not decoder.needs_input:
            data = b""
        elif not (data := source.read(_READ)):
            message = f"the {kind} stream ends too early"
            raise MalformedLayerError(message)


def _check_padding(source: Decompression, data: bytes, kind: Format) -> None:
    while data:
        if data.strip(b"\0"):
            message = f"something that does not belong to it follows the {kind} stream"
            raise MalformedLayerError(message)
        data = source.read(_READ)


def _zstd(source: Decompression) -> Iterator[bytes]:
    import zstandard

    frames = zstd_frames.WatchedFrames(source)
    decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_LIMIT)
    stream = cast("BinaryIO", frames)  # nothing but `read` is called
    reader = decompressor.stream_reader(stream, read_size=_READ, read_across_frames=True)
    try:
        while content := reader.read(CHUNK):
            yield content
    except zstandard.ZstdError as error:
        raise _zstd_error(str(error)) from error
    if not frames.complete:
        message = "the zstd stream ends too early"
        raise MalformedLayerError(message)


def _zstd_error(text: str) -> ImgfetchError:
    if "memory" in text:
        message = "the zstd stream needs too large a window"
        return UnsupportedContentError(message, expected=f"at most {_WINDOW_LIMIT} bytes")
    return MalformedLayerError("the zstd stream is damaged", actual=text)
