"""The tar reader: all formats that are in use, and none that can be read in two ways."""

from __future__ import annotations

import io
import tarfile

import pytest

from imgfetch.errors import MalformedLayerError, UnsupportedContentError
from imgfetch.tar.entry import Entry, printable
from imgfetch.tar.reader import TarReader
from tests.support.entries import entries, names, pieces, read
from tests.support.layers import (
    BLOCK,
    GNU,
    USTAR,
    V7,
    character_device,
    directory,
    extension,
    file,
    hardlink,
    header,
    layer,
    padded,
    pax,
    symlink,
    with_checksum,
)

MIXED = layer(
    file("a", b"x" * 700, mode=0o4755, uid=1, gid=2, mtime=3),
    directory("d/"),
    symlink("l", "t" * 150),
    hardlink("h", "a"),
    character_device("c", 5, 1),
    pax({b"path": b"p" * 300, b"mtime": b"1.25"}),
    file("short", b"y" * 512),
    file("n" * 200, b""),
)


@pytest.mark.parametrize("size", [1, 7, 511, 512, 513, 4096, 1 << 20])
def test_entries_do_not_depend_on_how_the_stream_is_cut(size: int) -> None:
    assert read(MIXED, size) == read(MIXED)


@pytest.mark.parametrize("magic", [USTAR, GNU, V7])
@pytest.mark.parametrize("flag", [b"0", b"1", b"2", b"5", b"6", b"7"])
def test_headers_mean_the_same_however_their_numbers_are_written(magic: bytes, flag: bytes) -> None:
    """The usual spelling has a way of its own through the reader."""
    prefix = b"" if magic == V7 else b"p" * 50 + b"/\xff"
    said = {"size": 0o17, "mode": 0o4711, "uid": 7, "gid": 0o7654321, "mtime": 0o777}
    odd = {
        "size": b"17 ", "mode": b"  4711 \0", "uid": b"\x80" + bytes(6) + b"\7",
        "gid": b"7654321 ", "mtime": b" 777 ",
    }  # fmt: skip
    for name in (b"n" * 100, b"\xc3\xa4" * 30, b"x\0hidden"):
        usual, other = (
            layer(header(name, flag, target=b"t\xfe", prefix=prefix, magic=magic, **numbers))
            for numbers in (said, odd)
        )
        content = padded(b"x" * 0o17) if flag in {b"0", b"7"} else b""
        one, two = entries(usual[:BLOCK] + content), entries(other[:BLOCK] + content)
        assert one == two
        assert (one[0].mode, one[0].uid, one[0].gid) == (0o4711, 7, 0o7654321)


def test_entries_say_what_their_headers_say() -> None:
    a, d, link, h, c, p, n = entries(MIXED)
    assert a == Entry(b"a", "file", 700, 0o4755, 1, 2, 3_000_000_000, b"", 0, 0, 512, 700)
    assert (d.name, d.kind, d.size) == (b"d/", "directory", 0)
    assert (link.kind, link.target) == ("symlink", b"t" * 150)
    assert (h.kind, h.target) == ("hardlink", b"a")
    assert (c.kind, c.major, c.minor) == ("char", 5, 1)
    assert (p.name, p.mtime_ns, p.size) == (b"p" * 300, 1_250_000_000, 512)
    assert n.name == b"n" * 200


def test_offsets_lead_to_the_content() -> None:
    for entry, content in read(MIXED):
        assert MIXED[entry.offset : entry.offset + entry.stored] == content


def test_content_not_taken_is_skipped() -> None:
    reader = TarReader(pieces(MIXED, 100))
    assert [entry.name[:1] for entry in reader] == [b"a", b"d", b"l", b"h", b"c", b"p", b"n"]
    partly = TarReader(pieces(MIXED, 100))
    partly.next()
    assert b"".join(partly.take(650)) == b"x" * 650
    assert (partly.next() or [])[0] == b"d/"


@pytest.mark.parametrize(
    "tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
)
def test_archives_of_python_are_read(tar_format: int) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tar_format) as archive:
        for name, size in (("a", 3), ("d" * 60 + "/" + "f" * 90, 5), ("u/ü", 1)):
            info = tarfile.TarInfo(name)
            info.size = size
            info.uid = 70_000
            archive.addfile(info, io.BytesIO(bytes(size)))
    found = [(entry.name.decode(), entry.size, entry.uid) for entry in entries(stream.getvalue())]
    assert found == [
        ("a", 3, 70_000),
        ("d" * 60 + "/" + "f" * 90, 5, 70_000),
        ("u/ü", 1, 70_000),
    ]


def test_r059_an_archive_may_end_without_end_blocks() -> None:
    assert names(file("a", b"x")) == [b"a"]
    assert names(file("a", b"x") + bytes(BLOCK)) == [b"a"]
    assert names(b"") == []


def test_the_last_padding_may_be_missing() -> None:
    stream = file("a", b"x" * 10)
    assert read(stream[: BLOCK + 10])[0][1] == b"x" * 10


def test_r059_entries_after_an_end_block_are_an_error() -> None:
    with pytest.raises(MalformedLayerError, match="end-of-archive"):
        names(file("a") + bytes(BLOCK) + file("b"))


def test_r060_what_follows_the_end_is_left_to_the_caller() -> None:
    rest = pieces(layer(file("a")) + b"more" * 1000, 100)
    reader = TarReader(rest)
    assert len(list(reader)) == 1
    reader.drain()
    assert next(rest, None) is None


@pytest.mark.parametrize("cut", [1, 100, 511, 513, 700, 1023])
def test_s095_a_cut_archive_is_an_error(cut: int) -> None:
    stream = file("a") + file("b", b"x" * 600)
    with pytest.raises(MalformedLayerError, match="ends inside"):
        names(stream[:cut] if cut < BLOCK else stream[: BLOCK + cut])


@pytest.mark.parametrize("at", [0, 99, 100, 130, 148, 156, 300, 511])
def test_s095_a_flipped_bit_in_a_header_is_an_error(at: int) -> None:
    damaged = bytearray(file("a") + file("b"))
    damaged[BLOCK + at] ^= 4
    with pytest.raises(MalformedLayerError, match=r"checksum|number"):
        names(bytes(damaged))


def test_checksums_of_signed_bytes_are_accepted() -> None:
    """Old programs added them so; it matters for names with bytes above 127."""
    block = header("ü".encode())
    unsigned = sum(block) - sum(block[148:156]) + 8 * 32
    assert names(with_checksum(block, unsigned - 2 * 256)) == ["ü".encode()]


@pytest.mark.parametrize("fill", [b"\xff", b"\x80", b"\x7f"])
def test_checksums_of_high_bytes_are_exact(fill: bytes) -> None:
    block = header(fill * 100, target=fill * 100, prefix=fill * 155)
    assert entries(block)[0].name.endswith(fill * 100)
    with pytest.raises(MalformedLayerError):
        names(with_checksum(block, (sum(block) + 65_521) % 0o777777))


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("size", b"00000000005 ", 5),
        ("size", b"      5 \0", 5),
        ("size", b"5", 5),
        ("size", b"\x80\0\0\0\0\0\0\0\0\0\0\x05", 5),
        ("size", b"", 0),
        ("uid", b"\x80\0\0\0\xff\xff\xff\xfe", 2**32 - 2),
        ("mtime", b"\xff" * 12, -1_000_000_000),
        ("mode", b"100644 \0", 0o644),
        ("mode", b"177777 \0", 0o7777),
    ],
)
def test_numbers_of_other_writers_are_read(field: str, value: bytes, expected: int) -> None:
    block = header(b"a", **{field: value})  # type: ignore[arg-type]  # one of those fields
    (entry,) = entries(block + bytes(BLOCK))
    assert getattr(entry, "mtime_ns" if field == "mtime" else field) == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", b"-0000000001"),
        ("size", b"+0000000001"),
        ("size", b"0000_000001"),
        ("size", b"0x000000001"),
        ("size", b"00000000009"),
        ("size", b"1 1"),
        ("size", b"\xff" * 11 + b"\x00"),
        ("size", b"\x80\0\0\0\x80\0\0\0\0\0\0\0"),
        ("uid", b"\xff" * 8),
        ("uid", b"\x80\0\0\0\xff\xff\xff\xff"),
        ("gid", b"\x80\0\0\1\0\0\0\0"),
        ("mode", b"rwxr-xr"),
    ],
)
def test_s093_s101_numbers_out_of_range_are_refused(field: str, value: bytes) -> None:
    block = header(b"a", **{field: value})  # type: ignore[arg-type]  # one of those fields
    with pytest.raises(MalformedLayerError):
        names(layer(block))


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        (b"size", b"-1"),
        (b"size", b"1e3"),
        (b"size", b"100000000000000000000"),
        (b"size", b" 5"),
        (b"size", "٣".encode()),
        (b"uid", b"4294967295"),
        (b"uid", b"-1"),
        (b"gid", b"0x10"),
        (b"mtime", b"nan"),
        (b"mtime", b"inf"),
        (b"mtime", b"1e9"),
        (b"mtime", b"."),
        (b"path", b"a\0b"),
        (b"linkpath", b"a\0b"),
        (b"SCHILY.xattr.", b"x"),
        (b"LIBARCHIVE.xattr.user.%00", b"AA"),
        (b"LIBARCHIVE.xattr.user.a", b"=?"),
    ],
)
def test_s093_s100_s101_values_of_pax_records_are_checked(keyword: bytes, value: bytes) -> None:
    with pytest.raises(MalformedLayerError):
        names(layer(pax({keyword: value}), file("a", b"12345")))


def test_s093_the_size_of_a_pax_record_counts() -> None:
    stream = layer(pax({b"size": b"600"}), header(b"a", size=3), padded(b"x" * 600), file("b"))
    assert [entry.size for entry in entries(stream)] == [600, 0]


@pytest.mark.parametrize("time", [b"-" + b"9" * 20, b"9" * 20])
def test_s101_times_are_clamped(time: bytes) -> None:
    (entry,) = entries(layer(pax({b"mtime": time}), file("a")))
    assert abs(entry.mtime_ns) < 2.6e20


def test_headers_of_directories_and_links_have_no_content_whatever_their_size() -> None:
    stream = layer(
        header(b"d", b"5", size=512), header(b"l", b"1", size=99, target=b"t"), file("a")
    )
    assert [(entry.name, entry.size) for entry in entries(stream)] == [
        (b"d", 0),
        (b"l", 0),
        (b"a", 0),
    ]
    assert len(names(layer(pax({b"size": b"512"}), directory("d"), file("a")))) == 2


@pytest.mark.parametrize("flag", [b"0", b"\0", b"7"])
def test_s094_a_name_that_ends_with_a_slash_is_a_directory(flag: bytes) -> None:
    (entry,) = entries(layer(header(b"x/", flag)))
    assert entry.kind == "directory"
    with pytest.raises(MalformedLayerError, match="has content"):
        names(layer(header(b"x/", flag, size=5), padded(b"12345")))


def test_s094_the_whole_name_decides_whether_it_ends_with_a_slash() -> None:
    name = b"a" * 99 + b"/" + b"b"
    stream = layer(extension(b"L", name + b"\0"), header(name[:100], b"\0", size=1), padded(b"x"))
    (entry,) = entries(stream)
    assert (entry.name, entry.kind) == (name, "file")


def test_r065_a_prefix_comes_before_the_name() -> None:
    assert names(header(b"name", prefix=b"some/where")) == [b"some/where/name"]
    assert names(header(b"name", prefix=b"some/where", magic=V7)) == [b"name"]
    # GNU has times there; Go once wrote a prefix all the same.
    assert names(header(b"name", prefix=b"some/where", magic=GNU)) == [b"some/where/name"]
    assert names(header(b"name", prefix=b"%011o\0%011o\0" % (5, 6), magic=GNU)) == [b"name"]
    star = bytearray(header(b"name", prefix=b"p" * 131 + b"14000000000\0"))
    star[508:512] = b"tar\0"
    assert names(with_checksum(star)) == [b"p" * 131 + b"/name"]


def test_unknown_types_are_refused_with_the_name() -> None:
    with pytest.raises(UnsupportedContentError, match="'a'") as caught:
        names(header(b"a", b"Z"))
    assert caught.value.actual == "b'Z'"


def test_names_are_printed_on_one_line() -> None:
    assert printable(b"a\nb\xff\x1b") == r"'a\nb\udcff\x1b'"
    assert len(printable(b"a" * 4000)) < 300
