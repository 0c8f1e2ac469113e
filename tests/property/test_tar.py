"""Whatever bytes come in: entries, or an error of ours."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.errors import ImgfetchError
from imgfetch.tar.compression import CHUNK, Decompression
from imgfetch.tar.reader import TarReader
from tests.support.layers import file, header, layer, pax, symlink, with_checksum

MAKERS = [gzip.compress, zstandard.compress, lzma.compress, bz2.compress]

SEED = layer(
    file("a", b"x" * 700),
    symlink("l" * 120, "t" * 120),
    pax({b"path": b"p" * 300, b"mtime": b"1.5", b"SCHILY.xattr.user.a": b"\0"}),
    file("b", b"y"),
    pax({b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0", b"GNU.sparse.realsize": b"9"}),
    file("c", b"1\n0\n3\n".ljust(512, b"\0") + b"abc"),
    header(b"s", b"S", magic=b"ustar  \0"),
)


def drain(stream: bytes) -> None:
    reader = TarReader(iter([stream] if stream else []))
    while (entry := reader.next()) is not None:
        assert b"\0" not in entry.name
        assert entry.size >= entry.stored >= 0
        assert 0 <= entry.mode <= 0o7777
        assert sum(map(len, reader.take(entry.stored))) == entry.stored
    reader.drain()


@given(st.binary(max_size=3000))
@settings(max_examples=200)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        drain(data)
    except ImgfetchError:
        return


@given(st.data())
@settings(max_examples=500)
def test_damaged_archives_are_read_or_refused(data: st.DataObject) -> None:
    stream = bytearray(SEED)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(stream) - 1))
        stream[at] = data.draw(st.integers(0, 255))
        if data.draw(st.booleans()):
            start = at - at % 512
            stream[start : start + 512] = with_checksum(stream[start : start + 512])
    cut = bytes(stream[: data.draw(st.integers(0, len(stream)))])
    try:
        drain(cut)
    except ImgfetchError:
        return


@given(st.binary(max_size=600))
@settings(max_examples=200)
def test_any_content_of_a_pax_header_is_read_or_refused(content: bytes) -> None:
    stream = header(b"x", b"x", size=len(content)) + content + bytes(-len(content) % 512)
    try:
        drain(stream + file("a"))
    except ImgfetchError:
        return


NAMES = st.text(
    st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=80
)
MEMBERS = st.tuples(
    st.lists(NAMES, min_size=1, max_size=5).map("/".join),
    st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE]),
    st.binary(max_size=1200),
    st.integers(0, 2**32 - 2),
    # Not any float: Python writes small ones with an exponent, which no other reader takes.
    st.integers(-(10**9), 10**10) | st.integers(-(10**9), 10**10).map(lambda n: n / 4),
    st.integers(0, 0o7777),
)


@given(
    st.lists(MEMBERS, max_size=6),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    st.integers(1, 3000),
)
@settings(max_examples=200)
def test_what_python_writes_is_read(
    members: list[tuple[str, bytes, bytes, int, float, int]], tar_format: int, cut: int
) -> None:
    stream = io.BytesIO()
    written = []
    with tarfile.open(fileobj=stream, mode="w", format=tar_format) as archive:
        for name, kind, content, uid, mtime, mode in members:
            info = tarfile.TarInfo(name)
            info.type, info.uid, info.mtime, info.mode = kind, uid, mtime, mode
            info.size = len(content) if kind == tarfile.REGTYPE else 0
            info.linkname = name if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE} else ""
            archive.addfile(info, io.BytesIO(content))
            written.append((name, kind, content[: info.size], uid, mode, info.linkname))
    data = stream.getvalue()
    reader = TarReader(data[at : at + cut] for at in range(0, len(data), cut))
    kinds = {
        "file": tarfile.REGTYPE,
        "directory": tarfile.DIRTYPE,
        "symlink": tarfile.SYMTYPE,
        "hardlink": tarfile.LNKTYPE,
    }
    read = []
    for entry in reader:
        name = entry.name.decode()
        read.append(
            (
                name.removesuffix("/") if entry.kind == "directory" else name,
                kinds[entry.kind],
                b"".join(reader.take(entry.stored)),
                entry.uid,
                entry.mode,
                entry.target.decode(),
            )
        )
    assert read == written


@given(st.binary(max_size=2000))
def test_any_bytes_are_decompressed_or_refused(data: bytes) -> None:
    for magic in (
        b"",
        b"\x1f\x8b\x08",
        b"\x28\xb5\x2f\xfd",
        b"\x5a\x2a\x4d\x18",
        b"\xfd7zXZ\0",
        b"BZh9",
    ):
        try:
            assert all(len(piece) <= CHUNK for piece in Decompression(io.BytesIO(magic + data)))
        except ImgfetchError:
            continue


@pytest.mark.parametrize("make", MAKERS, ids=["gzip", "zstd", "xz", "bzip2"])
@given(content=st.binary(max_size=5000), data=st.data())
def test_damage_never_goes_unnoticed_as_the_right_content_cut_short(
    make: Callable[[bytes], bytes], content: bytes, data: st.DataObject
) -> None:
    blob = make(content)
    cut = blob[: data.draw(st.integers(6, len(blob) - 1))]
    try:
        b"".join(Decompression(io.BytesIO(cut)))
    except ImgfetchError:
        return
    pytest.fail("a stream that was cut off was taken for a whole one")
