"""Work below a directory: links mean what they mean inside it, with and without openat2."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgfetch.errors import ContentError
from imgfetch.fs import openat2, rootdir
from imgfetch.fs.rootdir import RootDir
from imgfetch.fs.walk import LINK_LIMIT
from tests.support.trees import snapshot_tree


@pytest.fixture(params=["openat2", "enosys", "eperm"], autouse=True)
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything holds without openat2, which old kernels and sandboxes do not have (R169)."""

    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSYS if request.param == "enosys" else errno.EPERM, "refused")

    if request.param != "openat2":
        monkeypatch.setattr(rootdir, "openat2", refuse)


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "outside"
    path.mkdir()
    (path / "secret").write_text("outside")
    before = snapshot_tree(path)
    yield path
    assert snapshot_tree(path) == before


@pytest.fixture
def root(tmp_path: Path, outside: Path) -> Iterator[RootDir]:
    path = tmp_path / "root"
    path.mkdir()
    (path / "etc").mkdir()
    (path / "etc/passwd").write_text("root:x:0:0")
    (path / "out").symlink_to(outside)
    with RootDir.open(path) as root:
        yield root


def place(fd: int, root: RootDir) -> str:
    try:
        return os.path.relpath(
            os.readlink(f"/proc/self/fd/{fd}"), os.readlink(f"/proc/self/fd/{root.fd}")
        )
    finally:
        os.close(fd)


def link(root: RootDir, name: str, target: str) -> None:
    os.symlink(target, name, dir_fd=root.fd)


@pytest.mark.parametrize(
    "target",
    [
        "etc",
        "/etc",
        "../../etc",
        "/../etc/./",
        "etc/../etc",
        "/nowhere/../etc/../../etc",
        "./././etc/",
    ],
)
def test_r078_links_are_followed_inside(root: RootDir, target: str) -> None:
    link(root, "link", target)
    if "nowhere" in target:
        with pytest.raises(FileNotFoundError):
            root.read_file(b"link/passwd", 100)
    else:
        assert root.read_file(b"/link/passwd", 100) == b"root:x:0:0"
        assert place(root.open_directory(b"link"), root) == "etc"


@pytest.mark.parametrize("path", [b"", b"/", b".", b"..", b"../..", b"/etc/..", b"//"])
def test_the_root_is_its_own_parent(root: RootDir, path: bytes) -> None:
    assert place(root.open_directory(path), root) == "."


@pytest.mark.parametrize("path", ["out/secret", "../outside/secret", "etc/../../outside/secret"])
def test_s052_nothing_outside_is_read(root: RootDir, path: str) -> None:
    with pytest.raises(FileNotFoundError):
        root.read_file(path.encode(), 100)
    assert root.lookup(path.encode()) is None


def test_s052_only_regular_files_are_opened(root: RootDir) -> None:
    os.mkfifo("pipe", dir_fd=root.fd)
    os.mknod("null", stat.S_IFCHR | 0o666, os.makedev(1, 3), dir_fd=root.fd)
    for name in (b"pipe", b"null", b"etc", b"/"):
        with pytest.raises(ContentError, match="not a regular file"):
            root.read_file(name, 100)


def test_s052_files_are_read_up_to_a_limit(root: RootDir) -> None:
    assert root.read_file(b"etc/passwd", 10) == b"root:x:0:0"
    with pytest.raises(ContentError, match="too large"):
        root.read_file(b"etc/passwd", 9)


def test_lookup_follows_links(root: RootDir) -> None:
    link(root, "a", "b")
    link(root, "b", "/etc/passwd")
    found = root.lookup(b"a")
    assert found is not None
    assert (stat.S_ISREG(found.st_mode), found.st_size) == (True, 10)
    assert root.lookup(b"etc/passwd/x") is None
    assert root.lookup(b"none") is None


def test_too_many_links_are_an_error(root: RootDir) -> None:
    link(root, "loop", "loop")
    for call in (root.lookup, root.open_directory, root.make_directories):
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the errno is what matters
            call(b"loop")
        assert caught.value.errno == errno.ELOOP


@pytest.mark.parametrize("links", [LINK_LIMIT, LINK_LIMIT + 1])
def test_as_many_links_are_followed_as_the_kernel_follows(root: RootDir, links: int) -> None:
    for number in range(links):
        link(root, f"l{number}", f"l{number + 1}")
    os.symlink("etc", f"l{links}", dir_fd=root.fd)
    if links < LINK_LIMIT:
        assert root.lookup(b"l0") is not None
    else:
        with pytest.raises(OSError, match="symbolic links"):
            root.lookup(b"l0")


def test_directories_are_made_inside(root: RootDir) -> None:
    assert place(root.make_directories(b"/a/b/c"), root) == "a/b/c"
    assert place(root.make_directories(b"a/../../a/b/d"), root) == "a/b/d"
    assert place(root.make_directories(b"a/b"), root) == "a/b"
    assert place(root.make_directories(b"/"), root) == "."


def test_s143_directories_behind_links_are_made_inside(root: RootDir, outside: Path) -> None:
    fd = root.make_directories(b"out/mnt")
    assert place(fd, root) == str(outside / "mnt").lstrip("/")
    link(root, "run", "../var/run")
    assert place(root.make_directories(b"run/x"), root) == "var/run/x"


@pytest.mark.parametrize("mask", [0o077, 0o000])
def test_r070_modes_do_not_depend_on_the_umask(root: RootDir, mask: int) -> None:
    before = os.umask(mask)
    try:
        os.close(root.make_directories(b"a/b", 0o751))
        os.close(root.make_file_target(b"c/f", 0o666))
    finally:
        os.umask(before)
    modes = [
        stat.S_IMODE(os.stat(name, dir_fd=root.fd).st_mode) for name in ("a", "a/b", "c", "c/f")
    ]
    assert modes == [0o751, 0o751, 0o755, 0o666]


def test_directories_are_not_made_over_files(root: RootDir) -> None:
    for path in (b"etc/passwd", b"etc/passwd/x"):
        with pytest.raises(NotADirectoryError):
            root.make_directories(path)


def test_s144_targets_for_mounts_are_made_inside(root: RootDir, outside: Path) -> None:
    link(root, "etc/resolv.conf", str(outside / "new"))
    assert place(root.make_file_target(b"/etc/resolv.conf"), root) == str(outside / "new")[1:]
    link(root, "etc/hosts", "/../../etc/passwd")
    assert place(root.make_file_target(b"etc/hosts"), root) == "etc/passwd"
    assert root.read_file(b"etc/passwd", 100) == b"root:x:0:0"
    with pytest.raises(IsADirectoryError):
        root.make_file_target(b"etc")


def test_s144_a_pipe_is_no_reason_to_wait(root: RootDir) -> None:
    os.mkfifo("pipe", dir_fd=root.fd)
    fd = root.make_file_target(b"pipe")
    assert stat.S_ISFIFO(os.fstat(fd).st_mode)
    os.close(fd)


def test_no_descriptor_is_left_open(root: RootDir) -> None:
    link(root, "loop", "loop")
    before = len(os.listdir("/proc/self/fd"))
    os.close(root.make_directories(b"a/b/../c"))
    root.read_file(b"a/../etc/passwd", 100)
    for path in (b"loop", b"none/x", b"etc/passwd/x"):
        with pytest.raises(OSError):  # noqa: PT011 - whichever
            root.open_file(path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_closing_twice_is_fine(tmp_path: Path) -> None:
    root = RootDir.open(tmp_path)
    root.close()
    root.close()


def test_names_with_nul_are_no_names(root: RootDir) -> None:
    with pytest.raises((ValueError, OSError)):
        root.lookup(b"a\0b")


def test_r169_openat2_is_tried_again_when_something_was_renamed(
    monkeypatch: pytest.MonkeyPatch, root: RootDir
) -> None:
    attempts = []

    def busy(*_: object) -> int:
        attempts.append(1)
        return -1

    monkeypatch.setattr(openat2, "_syscall", lambda: busy)
    monkeypatch.setattr("imgfetch.lean.ctypes.get_errno", lambda: errno.EAGAIN)
    with pytest.raises(BlockingIOError):
        openat2.openat2(root.fd, b"x", os.O_PATH, openat2.RESOLVE_IN_ROOT)
    assert len(attempts) == 128
