"""Removing trees that were made to be hard to remove."""

from __future__ import annotations

import errno
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgfetch.errors import StoreError
from imgfetch.fs import openat2, removal
from imgfetch.fs.removal import remove_tree
from tests.support.tools import require_tool
from tests.support.users import User, run_as


@pytest.fixture(params=["openat2", "none"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSYS, "refused")

    if request.param == "none":
        monkeypatch.setattr(removal, "openat2", refuse)


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 80, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def make_deep(path: Path, depth: int, name: str) -> None:
    """Directories in each other, deeper than any path may be long."""
    path.mkdir()
    fd = os.open(path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=fd)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        inner = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)


@pytest.mark.usefixtures("kernel", "few_descriptors")
def test_s103_deep_trees_are_removed(tmp_path: Path) -> None:
    make_deep(tmp_path / "deep", 1600, "d" * 100)
    remove_tree(tmp_path / "deep")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("kernel")
def test_s127_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "link").symlink_to(outside)
    (tree / "dangling").symlink_to("nowhere")
    os.mkfifo(tree / "pipe")
    remove_tree(tree)
    assert [path.name for path in tmp_path.iterdir()] == ["outside"]
    assert (outside / "file").exists()


def test_a_link_is_removed_itself(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "link").symlink_to("dir")
    remove_tree(tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["dir"]


def test_files_and_nothing_can_be_removed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    remove_tree(tmp_path / "file")
    remove_tree(tmp_path / "file")
    remove_tree(tmp_path / "none/none")
    assert list(tmp_path.iterdir()) == []


def test_paths_may_be_relative_to_a_descriptor(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    fd = os.open(tmp_path, os.O_PATH)
    remove_tree(b"a/b/", dir_fd=fd)
    assert list((tmp_path / "a").iterdir()) == []
    remove_tree("a", dir_fd=fd)
    os.close(fd)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["/", ".", "..", "a/..", "a/.", ""])
def test_names_that_are_none_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        remove_tree(path)


# Runs in a mount namespace of its own, so that a failing test leaves no mount behind.
_MOUNTED = """
import os, sys
from imgfetch.errors import StoreError
from imgfetch.fs import openat2, removal
if sys.argv[2] == "none":
    def refuse(*_):
        raise OSError(38, "refused")
    removal.openat2 = refuse
try:
    removal.remove_tree(sys.argv[1])
except StoreError as error:
    print(error.message)
"""


def _remove_with_mount(tmp_path: Path, mount: str, how: str) -> str:
    tree = tmp_path / "tree"
    (tree / "a/mounted").mkdir(parents=True)
    (tree / "a/file").touch()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    script = f'{mount}; exec {sys.executable} -c "$0" "$1" "$2"'
    command = [require_tool("unshare"), "--mount", "sh", "-euc", script, _MOUNTED, str(tree), how]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert (outside / "precious").exists()
    return done.stdout


@pytest.mark.parametrize("how", ["openat2", "none"])
@pytest.mark.parametrize(
    "mount",
    [
        "mount -t tmpfs none tree/a/mounted && touch tree/a/mounted/precious",
        "mount --bind outside tree/a/mounted",
        "mount --bind outside/precious tree/a/file",
        "mount --bind tree tree",
    ],
    ids=["tmpfs", "bind", "file", "root"],
)
def test_s127_mounts_are_not_crossed(tmp_path: Path, mount: str, how: str) -> None:
    said = _remove_with_mount(tmp_path, mount, how)
    assert "is a mount point" in said


def test_s103_directories_without_permissions_are_removed(plain_user: User) -> None:
    """As the user that they belong to, for whom permissions count."""
    base = plain_user.directory()
    program = (
        "import os, sys\n"
        "from imgfetch.fs.removal import remove_tree\n"
        "os.chdir(sys.argv[1])\n"
        "for mode in (0o000, 0o555, 0o300, 0o500):\n"
        "    os.makedirs(f'tree/{mode}/inner')\n"
        "    open(f'tree/{mode}/inner/file', 'w').close()\n"
        "    os.chmod(f'tree/{mode}/inner', mode)\n"
        "    os.chmod(f'tree/{mode}', mode)\n"
        "os.chmod('tree', 0)\n"
        "remove_tree('tree')\n"
        "print(os.listdir('.'))\n"
    )
    done = run_as(plain_user, [sys.executable, "-c", program, base])
    assert done.stdout == b"[]\n", done.stderr


def test_a_directory_filled_again_meanwhile_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tree").mkdir()
    attempts = []

    def refuse(name: bytes, *, dir_fd: int) -> None:
        attempts.append(name)
        raise OSError(errno.ENOTEMPTY, "Directory not empty")

    monkeypatch.setattr(os, "rmdir", refuse)
    with pytest.raises(OSError, match="not empty"):
        remove_tree(tmp_path / "tree")
    assert attempts == [b"tree"] * 3


def test_r108_what_nfs_keeps_of_open_files_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All else is removed, and nobody is told: the server removes it with the last close."""
    inner = tmp_path / "tree/a/b/c"
    inner.mkdir(parents=True)
    for path in (inner / "open", inner / "other", tmp_path / "tree/z", tmp_path / "tree/a/y"):
        path.touch()
    real = os.unlink

    def unlink(name: bytes, *, dir_fd: int) -> None:
        if name == b"open" or name.startswith(b".nfs"):
            os.rename(name, b".nfs" + os.urandom(8).hex().encode(), src_dir_fd=dir_fd,
                      dst_dir_fd=dir_fd)  # fmt: skip
        else:
            real(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", unlink)
    remove_tree(tmp_path / "tree")
    [kept] = [path for path in (tmp_path / "tree").rglob("*") if not path.is_dir()]
    assert kept.parent == inner
    monkeypatch.undo()
    remove_tree(tmp_path / "tree")
    assert list(tmp_path.iterdir()) == []


def test_a_tree_that_is_moved_meanwhile_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_deep(tmp_path / "deep", 80, "d")
    real = os.rmdir

    def move(name: bytes, *, dir_fd: int) -> None:
        real(name, dir_fd=dir_fd)
        if not (tmp_path / "aside").exists():
            (tmp_path / "aside").mkdir()
            (tmp_path / "deep" / "/".join("d" * 10)).rename(tmp_path / "aside/d")

    monkeypatch.setattr(os, "rmdir", move)
    with pytest.raises(StoreError, match="was changed"):
        remove_tree(tmp_path / "deep")


def test_modes_are_restored_for_nobody(tmp_path: Path) -> None:
    """What could not be removed keeps its owner's permissions: it is on its way out."""
    tree = tmp_path / "tree"
    (tree / "a").mkdir(parents=True, mode=0o555)
    (tree / "a").chmod(0o555)
    remove_tree(tree / "a")
    assert stat.S_IMODE(tree.stat().st_mode) & 0o700 == 0o700


@pytest.mark.parametrize("call", ["unlink", "rmdir"])
def test_s127_what_is_busy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    (tmp_path / "tree/a").mkdir(parents=True)
    (tmp_path / "tree/a/file").touch()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(StoreError, match="is a mount point"):
        remove_tree(tmp_path / "tree/a/file" if call == "unlink" else tmp_path / "tree")


def test_s103_closed_directories_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where permissions count: the first attempt is refused, as to an ordinary user."""
    (tmp_path / "tree/a").mkdir(parents=True)
    (tmp_path / "tree").chmod(0)
    real, refused = openat2.openat2, set()

    def refuse_once(directory: int, path: bytes, flags: int, resolve: int) -> int:
        if path not in refused:
            refused.add(path)
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(directory, path, flags, resolve)

    monkeypatch.setattr(removal, "openat2", refuse_once)
    remove_tree(tmp_path / "tree")
    assert refused == {b"tree", b"a"}
    assert list(tmp_path.iterdir()) == []


def test_what_somebody_else_removes_meanwhile_is_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tree/a").mkdir(parents=True)
    (tmp_path / "tree/b").mkdir()
    real = openat2.openat2

    def remove_first(directory: int, path: bytes, flags: int, resolve: int) -> int:
        if path != b"tree":
            os.rmdir(path, dir_fd=directory)
        return real(directory, path, flags, resolve)

    monkeypatch.setattr(removal, "openat2", remove_first)
    remove_tree(tmp_path / "tree")
    assert list(tmp_path.iterdir()) == []
