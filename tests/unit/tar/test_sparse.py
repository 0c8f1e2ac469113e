"""Sparse files in the four formats of GNU tar, and maps that contradict themselves."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from imgfetch.errors import LayerLimitError, MalformedLayerError
from imgfetch.tar.entry import Entry
from imgfetch.tar.reader import TarReader
from tests.support.layers import (
    BLOCK,
    extension,
    file,
    header,
    layer,
    padded,
    pax,
    record,
    with_checksum,
)
from tests.support.tools import require_tool


def read(stream: bytes) -> list[tuple[Entry, bytes]]:
    reader = TarReader(iter([stream[:1000], stream[1000:]] if len(stream) > 1000 else [stream]))
    return [(entry, b"".join(reader.take(entry.stored))) for entry in reader]


def expanded(entry: Entry, stored: bytes) -> bytes:
    content = bytearray(entry.size)
    at = 0
    for offset, length in entry.sparse or ((0, entry.size),):
        content[offset : offset + length] = stored[at : at + length]
        at += length
    return bytes(content)


def write_sparse(path: Path, parts: int) -> None:
    with path.open("wb") as opened:
        for number in range(parts):
            opened.seek(number * 200_000 + 70_000)
            opened.write(b"part %d" % number)
        opened.truncate(parts * 200_000)


@pytest.mark.parametrize("parts", [0, 1, 3, 5, 40])
@pytest.mark.parametrize(
    "options",
    [
        ("--format=gnu",),
        ("--format=pax", "--sparse-version=0.0"),
        ("--format=pax", "--sparse-version=0.1"),
        ("--format=pax", "--sparse-version=1.0"),
    ],
    ids=["gnu", "0.0", "0.1", "1.0"],
)
def test_s092_archives_of_gnu_tar_are_read(
    tmp_path: Path, options: tuple[str, ...], parts: int
) -> None:
    write_sparse(tmp_path / "sparse", parts)
    (tmp_path / "after").write_bytes(b"after")
    archive = tmp_path / "archive"
    command = [require_tool("tar"), "--create", "--sparse", *options, f"--file={archive}"]
    subprocess.run([*command, "sparse", "after"], cwd=tmp_path, check=True)
    (sparse, stored), (after, content) = read(archive.read_bytes())
    assert (sparse.name, sparse.size) == (b"sparse", parts * 200_000)
    assert expanded(sparse, stored) == (tmp_path / "sparse").read_bytes()
    assert sparse.stored < 40 * 5000
    assert (after.name, content) == (b"after", b"after")


def old(parts: list[tuple[int, int]], size: int, content: bytes, *, more: bytes = b"\0") -> bytes:
    block = bytearray(header(b"s", b"S", size=len(content), magic=b"ustar  \0"))
    block[386:482] = b"".join(b"%011o\0%011o\0" % part for part in parts).ljust(96, b"\0")
    block[482:483] = more
    block[483:495] = b"%011o\0" % size
    return with_checksum(block) + padded(content)


@pytest.mark.parametrize(
    ("parts", "size"),
    [
        ([(0, 5), (3, 5)], 100),
        ([(10, 5), (0, 5)], 100),
        ([(0, 5), (98, 5)], 100),
        ([(0, 5)], 100),
        ([(0, 15)], 100),
        ([(0, 10)], 9),
    ],
    ids=["overlap", "order", "beyond", "less", "more", "size"],
)
def test_maps_that_contradict_themselves_are_refused(
    parts: list[tuple[int, int]], size: int
) -> None:
    with pytest.raises(MalformedLayerError, match="contradicts"):
        read(layer(old(parts, size, b"0123456789")))


def test_a_map_that_the_file_fits_is_accepted() -> None:
    ((entry, stored),) = read(layer(old([(5, 4), (90, 6), (100, 0)], 100, b"0123456789")))
    assert entry.sparse == ((5, 4), (90, 6))
    assert expanded(entry, stored) == bytes(5) + b"0123" + bytes(81) + b"456789" + bytes(4)


def test_s091_an_endless_map_is_refused() -> None:
    more = bytes(504) + b"\1" + bytes(7)
    with pytest.raises(LayerLimitError, match="too many parts"):
        read(old([], 5, b"", more=b"\1") + more * 10_000)
    with pytest.raises(MalformedLayerError, match="ends inside"):
        read(old([], 5, b"", more=b"\1") + more)


def sparse_1_0(content: bytes, size: bytes = b"100") -> bytes:
    keys = {b"major": b"1", b"minor": b"0", b"name": b"s", b"realsize": size}
    return layer(pax({b"GNU.sparse." + key: keys[key] for key in keys}), file("x", content))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1\n",
        b"x\n".ljust(BLOCK, b"\0"),
        b"1\n0\n".ljust(BLOCK, b"\0"),
        b"1\n-5\n3\n".ljust(BLOCK, b"\0") + b"abc",
        b"1\n0\n5\n".ljust(BLOCK, b"\0") + b"abc",
        b"7" * BLOCK,
    ],
)
def test_malformed_maps_before_the_content_are_refused(content: bytes) -> None:
    with pytest.raises(MalformedLayerError):
        read(sparse_1_0(content))


def test_s091_a_map_of_too_many_parts_is_refused() -> None:
    with pytest.raises(LayerLimitError, match="too many parts"):
        read(sparse_1_0(b"99999999\n".ljust(BLOCK, b"\0")))


@pytest.mark.parametrize(
    "records",
    [
        {b"major": b"2", b"minor": b"0", b"realsize": b"5"},
        {b"map": b"0,5"},
        {b"size": b"5", b"map": b"0"},
        {b"size": b"5", b"map": b"0,x"},
        {b"size": b"x", b"map": b"0,5"},
    ],
)
def test_malformed_sparse_records_are_refused(records: dict[bytes, bytes]) -> None:
    content = b"".join(record(b"GNU.sparse." + key, value) for key, value in records.items())
    with pytest.raises(MalformedLayerError):
        read(layer(extension(b"x", content), file("a", b"12345")))
