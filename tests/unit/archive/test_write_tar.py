"""Archives that we write: read back by us, by Python and by GNU tar."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgfetch.errors import MalformedLayerError
from imgfetch.tar.entry import Entry
from imgfetch.tar.reader import TarReader
from imgfetch.tar.writer import TarWriter, has_writable_holes
from tests.support.tools import require_tool

BLANK = Entry(b"a", "file", 0, 0o644, 0, 0, 0, b"", 0, 0, 0, 0)
SECOND = 1_000_000_000


def file(name: bytes, size: int = 0) -> Entry:
    return BLANK._replace(name=name, size=size, stored=size)


def written(*entries: tuple[Entry, bytes]) -> bytes:
    archive = io.BytesIO()
    writer = TarWriter(archive.write)
    for entry, content in entries:
        writer.add(entry, [content] if content else ())
    writer.finish()
    return archive.getvalue()


def read(archive: bytes) -> list[tuple[Entry, bytes]]:
    reader = TarReader(iter([archive]))
    found = []
    for entry in reader:
        content = b"".join(map(bytes, reader.take(entry.stored)))
        found.append((entry._replace(offset=0), content))
    return found


def names_for_python(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        return members.getnames()


NAMES = st.binary(min_size=1, max_size=300).filter(
    lambda name: b"\0" not in name and not name.endswith(b"/")
)
IDS = st.integers(0, 2**32 - 2)
TIMES = st.integers(-62_135_596_800, 253_402_300_799).flatmap(
    lambda seconds: st.integers(0, 999_999_999).map(lambda rest: seconds * SECOND + rest)
)
XATTRS = st.dictionaries(
    st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name),
    st.binary(max_size=60),
    max_size=3,
).map(lambda xattrs: tuple(sorted(xattrs.items())))
ENTRIES = st.builds(
    lambda name, kind, mode, uid, gid, mtime, target, xattrs: BLANK._replace(
        name=name,
        kind=kind,
        mode=mode,
        uid=uid,
        gid=gid,
        mtime_ns=min(mtime, 253_402_300_799 * SECOND),
        target=target if kind in {"symlink", "hardlink"} else b"",
        xattrs=xattrs,
    ),
    NAMES,
    st.sampled_from(["file", "symlink", "hardlink", "fifo"]),
    st.integers(0, 0o7777),
    IDS,
    IDS,
    TIMES,
    NAMES,
    XATTRS,
)


@given(ENTRIES, st.binary(max_size=1500))
def test_what_is_written_is_what_is_read(entry: Entry, content: bytes) -> None:
    if entry.kind != "file":
        content = b""
    entry = entry._replace(size=len(content), stored=len(content))
    ((again, data), (last, _)) = read(written((entry, content), (file(b"last"), b"")))
    assert again._replace(xattrs=tuple(sorted(again.xattrs))) == entry
    assert data == content
    assert last.name == b"last"


def test_the_same_entries_give_the_same_bytes() -> None:
    entry = file(b"x" * 150, 3)._replace(xattrs=((b"user.b", b"2"), (b"user.a", b"1")))
    other = entry._replace(xattrs=entry.xattrs[::-1])
    assert written((entry, b"abc")) == written((other, b"abc"))


def test_what_fits_a_plain_header_has_no_other() -> None:
    archive = written((file(b"d/" * 70 + b"n", 1), b"x"))
    assert len(archive) == 4 * 512
    assert names_for_python(archive) == ["d/" * 70 + "n"]


@pytest.mark.parametrize("name", [b"n" * 100, b"n" * 101, b"d" * 155 + b"/" + b"n" * 100,
                                  b"d" * 156 + b"/n", b"/" + b"n" * 100, b"a/" * 127])  # fmt: skip
def test_names_at_the_edges(name: bytes) -> None:
    entry = file(name)
    if name.endswith(b"/"):
        entry = entry._replace(kind="directory")
    assert [found.name for found, _ in read(written((entry, b"")))] == [name]
    assert names_for_python(written((entry, b""))) == [name.decode().rstrip("/")]


def test_directories_end_with_a_slash_and_devices_have_numbers() -> None:
    directory = BLANK._replace(name=b"d", kind="directory", mode=0o1777)
    device = BLANK._replace(name=b"null", kind="char", major=1, minor=3)
    found = [entry for entry, _ in read(written((directory, b""), (device, b"")))]
    assert found == [directory._replace(name=b"d/"), device]


@pytest.mark.parametrize("number", [8**7, -1])
def test_device_numbers_that_no_device_has_are_refused(number: int) -> None:
    device = BLANK._replace(kind="block", major=number)
    with pytest.raises(MalformedLayerError, match="number that no device has"):
        written((device, b""))


SPARSE = [
    (((0, 1024), (4096, 50)), 10_000),
    (((512, 512),), 1024),
    ((), 4096),
    (((3, 4),), 7),
]


@pytest.mark.parametrize(("parts", "size"), SPARSE)
def test_holes_are_kept(parts: tuple[tuple[int, int], ...], size: int, tmp_path: Path) -> None:
    data = b"".join(bytes([65 + number]) * length for number, (_, length) in enumerate(parts))
    entry = file(b"d/sparse")._replace(size=size, stored=len(data), sparse=parts)
    archive = written((entry, data), (file(b"after", 2), b"ok"))
    ((again, content), (_, after)) = read(archive)
    assert again == entry
    assert (content, after) == (data, b"ok")
    expected = bytearray(size)
    at = 0
    for offset, length in parts:
        expected[offset : offset + length] = data[at : at + length]
        at += length
    (tmp_path / "a.tar").write_bytes(archive)
    subprocess.run([require_tool("tar"), "xf", "a.tar"], cwd=tmp_path, check=True)
    assert (tmp_path / "d/sparse").read_bytes() == bytes(expected)
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        extracted = members.extractfile("d/sparse")
        assert extracted is not None
        assert extracted.read() == bytes(expected)


def test_only_whole_blocks_may_stand_before_a_hole() -> None:
    entry = file(b"a")._replace(sparse=((0, 512), (1024, 100)))
    assert has_writable_holes(entry)
    assert not has_writable_holes(entry._replace(sparse=((0, 100), (1024, 512))))


def test_content_of_another_length_is_a_mistake() -> None:
    writer = TarWriter(lambda _: None)
    with pytest.raises(ValueError, match="content of 2 bytes for an entry of 3"):
        writer.add(file(b"a", 3), [b"xx"])


def test_large_sizes_are_written_in_a_record() -> None:
    pieces: list[bytes] = []
    writer = TarWriter(lambda data: pieces.append(bytes(data[:2048])))

    class Huge(bytes):
        def __len__(self) -> int:
            return 8**11

    def content() -> Iterable[bytes]:
        yield Huge()

    writer.add(file(b"huge", 8**11), content())
    assert b"size=8589934592\n" in pieces[0]
