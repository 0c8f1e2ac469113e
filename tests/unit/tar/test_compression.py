"""Decompression: whole, checked, bounded."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import struct
import sys
import zlib

import pytest
import zstandard

from imgfetch.errors import MalformedLayerError, UnsupportedContentError
from imgfetch.tar.compression import CHUNK, Decompression, sniff

# Half of it can't be compressed, so that it comes in many pieces.
DATA = hashlib.shake_128(b"seed").digest(300_000) + bytes(300_000)
MAKERS = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}
KINDS = list(MAKERS)


class Trickle(io.BytesIO):
    """Gives a few bytes at a time, as a raw stream may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(7 if size is None or size < 0 else min(size, 7))


@pytest.fixture(params=["isal", "zlib"], autouse=True)
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything holds with isal and, where that is not installed, with zlib."""
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)


def content(blob: bytes) -> bytes:
    return b"".join(Decompression(io.BytesIO(blob)))


@pytest.mark.parametrize("kind", KINDS)
def test_content_comes_out_in_bounded_pieces(kind: str) -> None:
    stream = Decompression(io.BytesIO(MAKERS[kind](DATA)))
    assert stream.format == kind
    pieces = list(stream)
    assert b"".join(pieces) == DATA
    assert all(0 < len(piece) <= CHUNK for piece in pieces)
    assert stream.consumed == len(MAKERS[kind](DATA))


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_may_come_in_small_pieces(kind: str) -> None:
    blob = MAKERS[kind](DATA[-310_000:])
    assert b"".join(Decompression(Trickle(blob))) == DATA[-310_000:]


@pytest.mark.parametrize("data", [b"", b"x", DATA])
def test_what_is_not_compressed_comes_out_as_it_is(data: bytes) -> None:
    assert content(data) == data
    assert sniff(data) == "none"


@pytest.mark.parametrize("kind", KINDS)
def test_s096_s098_all_members_are_decoded(kind: str) -> None:
    make = MAKERS[kind]
    assert content(make(b"one") + make(b"") + make(DATA)) == b"one" + DATA


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", [1, 3, 5, 1000, -1])
def test_s098_a_stream_that_is_cut_off_is_an_error(kind: str, missing: int) -> None:
    blob = MAKERS[kind](DATA)
    cut = blob[:-missing] if missing > 0 else blob[:7]
    with pytest.raises(MalformedLayerError, match=r"ends too early|damaged"):
        content(cut)


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_member_that_is_cut_off_is_an_error(kind: str) -> None:
    make = MAKERS[kind]
    with pytest.raises(MalformedLayerError):
        content(make(b"one") + make(DATA)[:-2])


@pytest.mark.parametrize("kind", KINDS)
def test_r060_junk_after_the_stream_is_an_error(kind: str) -> None:
    with pytest.raises(MalformedLayerError):
        content(MAKERS[kind](DATA) + b"junk")


@pytest.mark.parametrize("kind", ["gzip", "xz", "bzip2"])
def test_r060_zeros_after_the_stream_are_padding(kind: str) -> None:
    assert content(MAKERS[kind](DATA) + bytes(400_000)) == DATA
    with pytest.raises(MalformedLayerError, match="follows the"):
        content(MAKERS[kind](DATA) + bytes(400_000) + b"junk")


@pytest.mark.parametrize("at", [-1, -4, -5, -8])
def test_s097_checksum_and_length_of_gzip_are_checked(at: int) -> None:
    blob = bytearray(gzip.compress(DATA))
    blob[at] ^= 1
    with pytest.raises(MalformedLayerError, match="gzip stream is damaged"):
        content(bytes(blob))


@pytest.mark.parametrize("kind", KINDS)
def test_damage_in_the_middle_is_an_error(kind: str) -> None:
    blob = bytearray(MAKERS[kind](DATA[:250_000]))
    blob[len(blob) // 2] ^= 0x55
    with pytest.raises(MalformedLayerError):
        content(bytes(blob))


def test_gzip_members_may_have_names_and_extra_fields() -> None:
    start = b"\x1f\x8b\x08\x1e" + bytes(4) + b"\0\xff" + b"\x06\0BC\x02\0\x10\0name\0comment\0"
    start += struct.pack("<H", zlib.crc32(start) & 0xFFFF)
    deflate = zlib.compressobj(wbits=-15)
    body = deflate.compress(DATA) + deflate.flush()
    assert content(start + body + struct.pack("<II", zlib.crc32(DATA), len(DATA))) == DATA


@pytest.mark.parametrize("skippable", [b"", b"note", bytes(300_000)])
def test_r061_skippable_frames_of_zstd_are_skipped(skippable: bytes) -> None:
    frame = b"\x5a\x2a\x4d\x18" + struct.pack("<I", len(skippable)) + skippable
    blob = frame + zstandard.compress(b"one") + frame + zstandard.compress(DATA) + frame
    assert sniff(blob) == "zstd"
    assert content(blob) == b"one" + DATA
    with pytest.raises(MalformedLayerError):
        content(blob[:-1])


@pytest.mark.parametrize("size", [1, 200, 300, 70_000, 200_000])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("checksum", [True, False])
def test_zstd_frames_of_all_shapes_end_where_they_end(
    size: int, known: bool, checksum: bool
) -> None:
    compressor = zstandard.ZstdCompressor(write_content_size=known, write_checksum=checksum)
    blob = compressor.compress(DATA[:size])
    assert content(blob) == DATA[:size]
    for missing in range(1, min(len(blob) - 5, 12)):
        with pytest.raises(MalformedLayerError):
            content(blob[:-missing])


def test_s099_a_window_too_large_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=28)
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    stream = compressor.compressobj()
    blob = stream.compress(b"x" * 1000) + stream.flush()
    with pytest.raises(UnsupportedContentError, match="window"):
        content(blob)


def test_s090_a_bomb_comes_out_in_bounded_pieces() -> None:
    blob = zstandard.compress(bytes(64 << 20))
    stream = Decompression(io.BytesIO(blob))
    assert max(map(len, stream)) <= CHUNK
