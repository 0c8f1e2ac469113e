"""S123: members are looked up by name inside the archive, at most one link away."""

import gzip
import os
import tarfile
from pathlib import Path

import pytest

from imgfetch.archive.members import read_document
from imgfetch.archive.tarball import TarMembers, open_tarball
from imgfetch.errors import ContentError, NoSpaceError, NotInStoreError, UnsupportedContentError
from tests.support.mounts import small_tmpfs
from tests.support.tarballs import file, hardlink, special, symlink, write_tar

LIMIT = 1 << 20


def opened(path: Path, scratch: Path | None = None) -> TarMembers:
    return open_tarball(str(path), "the archive", None if scratch is None else str(scratch))


def read(members: TarMembers, name: str) -> bytes:
    return read_document(members, name, LIMIT)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "archive.tar"


@pytest.mark.parametrize("name", ["a/b", "./a/b", "a/./b", "a//b", "a/c/../b"])
def test_a_member_has_one_name_however_it_is_spelled(archive: Path, name: str) -> None:
    """R074: ``./manifest.json``."""
    members = opened(write_tar(archive, [file(name, b"content")]))
    assert read(members, "a/b") == b"content"
    assert read(members, name) == b"content"
    assert members.size("a/b") == 7
    members.close()


@pytest.mark.parametrize("link", [symlink("x/link", "../y/file"), hardlink("x/link", "y/file")])
@pytest.mark.parametrize("before", [True, False])
def test_a_link_is_followed_inside(
    archive: Path, link: tuple[tarfile.TarInfo, bytes], before: bool
) -> None:
    """R074: docker before 25 stores a layer that occurs twice once."""
    target = file("y/file", b"content")
    members = opened(write_tar(archive, [link, target] if before else [target, link]))
    assert read(members, "x/link") == b"content"
    members.close()


@pytest.mark.parametrize(
    "links",
    [
        [symlink("a", "b"), symlink("b", "c"), file("c")],
        [symlink("a", "b"), symlink("b", "a")],
        [symlink("a", "a")],
        [hardlink("a", "b"), symlink("b", "c"), file("c")],
    ],
)
def test_a_link_to_a_link_is_refused(
    archive: Path, links: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    """S123: a chain can be a circle."""
    members = opened(write_tar(archive, links))
    with pytest.raises(ContentError, match="link to a link"):
        read(members, "a")
    members.close()


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../../../../etc/passwd", "..", ".", "/", "nowhere"]
)
def test_a_link_leads_nowhere_outside(archive: Path, target: str) -> None:
    """S123."""
    members = opened(write_tar(archive, [symlink("a", target), hardlink("b", target)]))
    for name in ("a", "b"):
        with pytest.raises(NotInStoreError):
            read(members, name)
        assert members.size(name) is None
    members.close()


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", "a/../../b", "", "a\0b"])
def test_a_name_leads_nowhere_outside(archive: Path, name: str) -> None:
    """S123: ``"Config": "../../etc/passwd"``."""
    members = opened(write_tar(archive, [file("../../etc/passwd", b"x"), file("/etc/passwd")]))
    with pytest.raises(ContentError, match="no name inside"):
        read(members, name)
    members.close()


def test_only_files_are_members(archive: Path) -> None:
    kinds = [tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
    members = opened(
        write_tar(archive, [special(f"{number}", kind) for number, kind in enumerate(kinds)])
    )
    for number, _ in enumerate(kinds):
        with pytest.raises(NotInStoreError):
            read(members, str(number))
    members.close()


def test_of_two_members_with_one_name_the_last_counts(archive: Path) -> None:
    """As it would after ``tar -x``."""
    members = opened(write_tar(archive, [file("a", b"first"), file("./a", b"last")]))
    assert read(members, "a") == b"last"
    members.close()


def test_a_document_has_a_limit(archive: Path) -> None:
    """S124."""
    members = opened(write_tar(archive, [file("index.json", bytes(LIMIT + 1))]))
    with pytest.raises(UnsupportedContentError, match="too large"):
        read(members, "index.json")
    members.close()


def test_too_many_members_are_refused(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgfetch.archive.tarball._ENTRY_LIMIT", 10)
    opened(write_tar(archive, [file(f"{number}") for number in range(10)])).close()
    with pytest.raises(UnsupportedContentError, match="too many files"):
        opened(write_tar(archive, [file(f"{number}") for number in range(11)]))


@pytest.mark.parametrize("content", [b"no archive at all", bytes(100), os.urandom(4096)])
def test_what_is_no_archive_is_refused(archive: Path, content: bytes) -> None:
    archive.write_bytes(content)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ContentError):
        opened(archive)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("compressed", [True, False])
def test_an_archive_that_is_cut_off_is_refused(archive: Path, compressed: bool) -> None:
    """Content is skipped when names are looked for: that alone would not notice."""
    whole = write_tar(archive, [file("a", os.urandom(100_000))]).read_bytes()
    cut = gzip.compress(whole)[:50_000] if compressed else whole[:50_000]
    archive.write_bytes(cut)
    with pytest.raises(ContentError):
        opened(archive)


def test_an_archive_that_shrinks_is_noticed(archive: Path) -> None:
    members = opened(write_tar(archive, [file("a", bytes(100_000))]))
    os.truncate(archive, 50_000)
    with pytest.raises(ContentError, match="shorter"):
        read(members, "a")
    members.close()


def test_a_compressed_archive_is_copied_where_it_was_told(tmp_path: Path, archive: Path) -> None:
    write_tar(archive, [file("a", bytes(1 << 20))])
    archive.write_bytes(gzip.compress(archive.read_bytes()))
    (tmp_path / "scratch").mkdir()
    members = opened(archive, tmp_path / "scratch")
    assert read(members, "a") == bytes(1 << 20)
    assert os.listdir(tmp_path / "scratch") == []
    members.close()


def test_no_room_for_the_copy_is_told(tmp_path: Path, archive: Path) -> None:
    """R090: a megabyte of zeros is a kilobyte of gzip."""
    write_tar(archive, [file("a", bytes(1 << 20))])
    archive.write_bytes(gzip.compress(archive.read_bytes()))
    before = len(os.listdir("/proc/self/fd"))
    with small_tmpfs(tmp_path / "scratch", size=256 << 10) as scratch:
        with pytest.raises(NoSpaceError, match="scratch"):
            opened(archive, scratch)
        assert os.listdir(scratch) == []
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_directory_is_told_from_an_archive(tmp_path: Path) -> None:
    with pytest.raises(NotInStoreError, match="is a directory") as caught:
        opened(tmp_path)
    assert caught.value.hint == "for a directory: oci: or dir:"
