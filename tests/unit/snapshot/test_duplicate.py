"""Copies of trees, compared with everything a tree can say."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

import pytest

from imgfetch.errors import LayerLimitError, NoSpaceError
from imgfetch.snapshot.duplicate import copy_tree
from tests.support.trees import snapshot_tree


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "target"
    path.mkdir()
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """One of everything, with times and modes of its own."""
    root = tmp_path / "source"
    (root / "a/b").mkdir(parents=True)
    (root / "a/empty").touch()
    (root / "a/b/file").write_bytes(os.urandom(100_000))
    os.link(root / "a/b/file", root / "other-name")
    os.link(root / "a/b/file", root / "a/third-name")
    (root / "setuid").write_text("x")
    (root / "setuid").chmod(0o6755)
    (root / "dangling").symlink_to("/no/such")
    (root / "self").symlink_to(".")
    os.mkfifo(root / "fifo", 0o640)
    (root / "closed").mkdir()
    (root / "closed/in").write_text("in")
    os.setxattr(root / "setuid", "user.note", b"\0\xff")
    os.setxattr(root / "a", "user.note", b"directory")
    (root / os.fsdecode(b"\xff\xfe")).write_text("not text")
    if os.geteuid() == 0:
        os.mknod(root / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.chown(root / "setuid", 5, 6)
        (root / "setuid").chmod(0o6755)
        os.chown(root / "dangling", 7, 8, follow_symlinks=False)
        os.chown(root / "closed", 9, 10)
        os.setxattr(root / "dangling", "trusted.note", b"link", follow_symlinks=False)
        os.setxattr(root / "null", "trusted.note", b"device")
    for number, path in enumerate([*root.rglob("*"), root]):
        os.utime(path, ns=(number, 1_000_000_000 + number * 1001), follow_symlinks=False)
    (root / "closed").chmod(0)
    return root


def test_a_copy_has_everything(source: Path, target: Path) -> None:
    copy_tree(str(source), str(target))
    assert snapshot_tree(target) == snapshot_tree(source)


def test_a_copy_shares_no_file_with_the_original(source: Path, target: Path) -> None:
    """S128."""
    copy_tree(str(source), str(target))
    (target / "other-name").write_text("changed")
    assert (target / "a/b/file").read_text() == "changed"
    assert (source / "a/b/file").stat().st_size == 100_000


def test_links_are_not_followed(tmp_path: Path, source: Path, target: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("x")
    (source / "escape").symlink_to(outside)
    before = snapshot_tree(outside)
    copy_tree(str(source), str(target))
    assert (target / "escape").readlink() == outside
    assert snapshot_tree(outside) == before


@pytest.mark.parametrize("layout", ["hole first", "hole last", "only a hole", "in between"])
def test_holes_stay_holes(tmp_path: Path, target: Path, layout: str) -> None:
    source = tmp_path / "sparse"
    source.mkdir()
    size = 8 << 20
    with (source / "file").open("wb") as file:
        if layout in {"hole last", "in between"}:
            file.write(b"start")
        if layout in {"hole first", "in between"}:
            file.seek(size - 3)
            file.write(b"end")
        file.truncate(size)
    copy_tree(str(source), str(target))
    copied = target / "file"
    assert copied.read_bytes() == (source / "file").read_bytes()
    assert copied.stat().st_blocks * 512 < 1 << 20


def test_without_copy_file_range_it_takes_longer(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> int:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "copy_file_range", refuse)
    copy_tree(str(source), str(target))
    assert snapshot_tree(target) == snapshot_tree(source)


def test_attributes_that_the_file_system_refuses_are_left_out(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R123."""

    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "setxattr", refuse)
    copy_tree(str(source), str(target))
    monkeypatch.undo()
    assert snapshot_tree(target, ignore={"xattrs"}) == snapshot_tree(source, ignore={"xattrs"})


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_file_system_is_named(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """R090."""

    def refuse(*arguments: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "copy_file_range", refuse)
    with pytest.raises(NoSpaceError):
        copy_tree(str(source), str(target))


def test_devices_that_cannot_be_made_are_left_out(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R122."""

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "mknod", refuse)
    copy_tree(str(source), str(target))
    assert not (target / "fifo").exists()
    assert (target / "setuid").exists()


def test_sockets_are_copied_as_what_they_are(tmp_path: Path, target: Path) -> None:
    source = tmp_path / "s"
    source.mkdir()
    with socket.socket(socket.AF_UNIX) as made:
        directory = os.open(source, os.O_RDONLY)
        made.bind(f"/proc/self/fd/{directory}/socket")
        os.close(directory)
    copy_tree(str(source), str(target))
    assert stat.S_ISSOCK((target / "socket").stat().st_mode)


def test_trees_that_never_end_are_given_up(tmp_path: Path, target: Path) -> None:
    """S103."""
    source = tmp_path / "deep"
    source.mkdir()
    before = os.getcwd()
    try:
        os.chdir(source)
        for _ in range(405):
            os.mkdir("d")
            os.chdir("d")
    finally:
        os.chdir(before)
    with pytest.raises(LayerLimitError, match="nested too deeply"):
        copy_tree(str(source), str(target))
