"""The streams written by hand are what other programs take them for."""

from __future__ import annotations

import gzip
import os

import pytest
import zstandard

from tests.support.compression import Compression, compress

SIZES = [0, 1, 0xFFFF, 0x10000, 128 * 1024, 128 * 1024 + 1, 500_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("compression", ["gzip", "stored-gzip"])
def test_gzip_streams_hold_the_data(size: int, compression: Compression) -> None:
    data = os.urandom(size)
    assert gzip.decompress(compress(data, compression)) == data


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("compression", ["zstd", "stored-zstd"])
def test_zstd_frames_hold_the_data(size: int, compression: Compression) -> None:
    data = os.urandom(size)
    assert zstandard.ZstdDecompressor().decompress(compress(data, compression)) == data
