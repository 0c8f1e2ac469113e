from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imgfetch.bundle.targets import check_working_directory, prepare_targets, resolve
from imgfetch.errors import DocumentError, InvalidMountError
from imgfetch.fs.rootdir import RootDir


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    path = tmp_path / "rootfs"
    path.mkdir()
    return path


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A directory beside the root filesystem, in which nothing may appear."""
    path = tmp_path / "outside"
    path.mkdir()
    yield path
    assert list(path.iterdir()) == []


def bind(source: Path | str, destination: str) -> dict[str, Any]:
    return {
        "destination": destination,
        "type": "bind",
        "source": str(source),
        "options": ["rbind", "rprivate"],
    }


def tmpfs(destination: str) -> dict[str, Any]:
    return {"destination": destination, "type": "tmpfs", "source": "tmpfs", "options": ["nosuid"]}


def prepare(rootfs: Path, *mounts: dict[str, Any], cwd: str = "/") -> None:
    with RootDir.open(rootfs) as root:
        prepare_targets(root, {"mounts": list(mounts), "process": {"cwd": cwd}})


def tree(rootfs: Path) -> list[str]:
    """All that is in a root filesystem, directories with a slash."""
    return sorted(
        f"{path.relative_to(rootfs)}{'/' if path.is_dir() and not path.is_symlink() else ''}"
        for path in rootfs.rglob("*")
    )


def test_places_are_made_for_files_and_directories(rootfs: Path, tmp_path: Path) -> None:
    file, directory = tmp_path / "file", tmp_path / "directory"
    file.touch()
    directory.mkdir()
    old = os.umask(0o077)
    try:
        prepare(rootfs, bind(file, "/etc/hosts"), bind(directory, "/a/b"), tmpfs("/tmp"))
    finally:
        os.umask(old)
    system = ["dev/", "etc/", "etc/hosts", "etc/mtab", "proc/", "sys/", "tmp/"]
    assert tree(rootfs) == ["a/", "a/b/", *system]
    assert (rootfs / "a").stat().st_mode & 0o777 == 0o755
    assert (rootfs / "etc/hosts").stat().st_mode & 0o777 == 0o644


def test_mounts_are_where_programs_look_for_them(rootfs: Path) -> None:
    """As by docker and podman: in images that have no place for it there is none."""
    prepare(rootfs)
    assert not (rootfs / "etc").exists()
    (rootfs / "etc").mkdir()
    prepare(rootfs)
    assert (rootfs / "etc/mtab").readlink() == Path("/proc/mounts")


def test_an_image_may_have_its_own_mtab(rootfs: Path) -> None:
    (rootfs / "etc").mkdir()
    (rootfs / "etc/mtab").write_text("its own")
    prepare(rootfs)
    assert (rootfs / "etc/mtab").read_text() == "its own"


@pytest.mark.parametrize("etc", ["../outside", "/../outside", "missing"])
def test_mtab_stays_in_the_image(rootfs: Path, outside: Path, etc: str) -> None:
    (rootfs / "etc").symlink_to(etc)
    prepare(rootfs)
    assert not (outside / "mtab").exists()


def test_a_tmpfs_has_its_mode_before_it_is_there(rootfs: Path) -> None:
    """The runtime runc before 1.2 takes the mode of what a tmpfs is mounted on."""
    (rootfs / "old").mkdir(mode=0o700)
    private = tmpfs("/x/private")
    private["options"].append("mode=0700")
    prepare(rootfs, tmpfs("/a/b"), private, tmpfs("/old"))
    modes = {
        name: (rootfs / name).stat().st_mode & 0o7777 for name in ("a", "a/b", "x/private", "old")
    }
    assert modes == {"a": 0o755, "a/b": 0o1777, "x/private": 0o700, "old": 0o700}


def test_what_is_below_another_mount_is_left_to_the_runtime(rootfs: Path) -> None:
    prepare(rootfs, tmpfs("/dev"), tmpfs("/dev/shm"), tmpfs("/device"))
    assert tree(rootfs) == ["dev/", "device/", "proc/", "sys/"]


@pytest.mark.parametrize("name", ["dev", "proc", "sys"])
@pytest.mark.parametrize("kind", ["link", "file"])
def test_system_directories_have_to_be_directories(
    rootfs: Path, outside: Path, name: str, kind: str
) -> None:
    """S140 and S141: CVE-2026-41579, CVE-2019-19921, CVE-2023-27561."""
    if kind == "link":
        (rootfs / name).symlink_to("../" * 4 + str(outside))
    else:
        (rootfs / name).touch()
    with pytest.raises(InvalidMountError, match=f"/{name}"):
        prepare(rootfs)


@pytest.mark.parametrize("name", ["dev/pts", "dev/shm"])
def test_a_link_that_the_tmpfs_on_dev_hides_is_replaced(
    rootfs: Path, outside: Path, name: str
) -> None:
    """S140."""
    (rootfs / "dev").mkdir()
    (rootfs / name).symlink_to(outside)
    prepare(rootfs)
    assert (rootfs / name).is_dir()
    assert not (rootfs / name).is_symlink()


def test_a_target_behind_a_link_is_made_below_the_root(
    rootfs: Path, outside: Path, tmp_path: Path
) -> None:
    """S143: CVE-2021-30465 class."""
    (rootfs / "mnt").symlink_to(outside)
    (rootfs / "up").symlink_to("../" * 8 + str(outside)[1:])
    source = tmp_path / "source"
    source.mkdir()
    prepare(rootfs, bind(source, "/mnt/a"), bind(source, "/up/b"))
    below = rootfs / str(outside)[1:]
    assert sorted(path.name for path in below.iterdir()) == ["a", "b"]


@pytest.mark.parametrize("dangling", [False, True])
def test_files_in_etc_are_never_written_through_links(
    rootfs: Path, outside: Path, tmp_path: Path, *, dangling: bool
) -> None:
    """S144: CVE-2024-1753 class; systemd's link to ../run/systemd/resolve too."""
    target = outside / "file"
    if not dangling:
        target = tmp_path / "precious"
        target.write_text("precious")
    (rootfs / "etc").mkdir()
    (rootfs / "etc/resolv.conf").symlink_to(target)
    (rootfs / "etc/hosts").symlink_to("../run/hosts")
    source = tmp_path / "source"
    source.touch()
    prepare(rootfs, bind(source, "/etc/resolv.conf"), bind(source, "/etc/hosts"))
    assert (rootfs / str(target)[1:]).read_text() == ""
    assert (rootfs / "run/hosts").read_text() == ""
    assert dangling or target.read_text() == "precious"


def test_etc_itself_may_be_a_link(rootfs: Path, outside: Path, tmp_path: Path) -> None:
    """S144."""
    (rootfs / "etc").symlink_to(outside)
    source = tmp_path / "source"
    source.touch()
    prepare(rootfs, bind(source, "/etc/hosts"))
    assert (rootfs / str(outside)[1:] / "hosts").exists()


def test_a_fifo_is_neither_opened_nor_replaced(rootfs: Path, tmp_path: Path) -> None:
    """S144: opening it would wait for ever."""
    (rootfs / "etc").mkdir()
    os.mkfifo(rootfs / "etc/hosts")
    source = tmp_path / "source"
    source.touch()
    prepare(rootfs, bind(source, "/etc/hosts"))
    assert (rootfs / "etc/hosts").is_fifo()


@pytest.mark.parametrize("target", ["/proc", "/proc/self/attr", "../../proc/1"])
def test_a_link_into_proc_is_no_place_for_a_mount(
    rootfs: Path, tmp_path: Path, target: str
) -> None:
    """S141: CVE-2019-16884."""
    (rootfs / "mnt").symlink_to(target)
    with pytest.raises(InvalidMountError, match="/proc"):
        prepare(rootfs, bind(tmp_path, "/mnt"))


def test_a_link_to_the_root_is_no_place_for_a_mount(rootfs: Path, tmp_path: Path) -> None:
    (rootfs / "mnt").symlink_to("/../..")
    with pytest.raises(InvalidMountError, match="takes it to /"):
        prepare(rootfs, bind(tmp_path, "/mnt"))


def test_a_source_that_is_missing_is_not_made(rootfs: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidMountError) as caught:
        prepare(rootfs, bind(tmp_path / "missing", "/mnt"))
    assert "missing" in caught.value.message
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("kind", ["directory on file", "file on directory"])
def test_kinds_have_to_agree(rootfs: Path, tmp_path: Path, kind: str) -> None:
    source = tmp_path / "source"
    if kind == "directory on file":
        source.mkdir()
        (rootfs / "mnt").touch()
    else:
        source.touch()
        (rootfs / "mnt").mkdir()
    with pytest.raises(InvalidMountError, match="/mnt"):
        prepare(rootfs, bind(source, "/mnt"))


@pytest.mark.parametrize(
    ("link", "cwd"),
    [
        ("/proc/self/fd/8", "/w"),
        ("../proc/self/fd/7", "/w"),
        ("/proc/self/fd", "/w/8/.."),
        ("/w2", "/w"),
    ],
)
def test_a_working_directory_behind_a_link_into_proc_is_refused(
    rootfs: Path, link: str, cwd: str
) -> None:
    """S057: CVE-2024-21626, with nothing in the image's own /proc."""
    (rootfs / "w").symlink_to(link)
    (rootfs / "w2").symlink_to("/proc/self/fd/9")
    with pytest.raises(DocumentError, match="/proc"):
        prepare(rootfs, cwd=cwd)


def test_other_working_directories_pass_whether_they_exist_or_not(rootfs: Path) -> None:
    (rootfs / "link").symlink_to("/srv/app")
    with RootDir.open(rootfs) as root:
        for path in ("/", "/missing/x", "/link", "/link/../procedure"):
            check_working_directory(root, path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/a/b", b"/a/b"),
        (b"a//./b/", b"/a/b"),
        (b"/../../a", b"/a"),
        (b"/rel/x", b"/dir/x"),
        (b"/abs/x", b"/dir/sub/x"),
        (b"/abs/../x", b"/dir/x"),
        (b"/chain", b"/dir/sub"),
        (b"/escape/x", b"/x"),
        (b"/gone/x", b"/nothing/here/x"),
    ],
)
def test_links_are_followed_below_the_root(rootfs: Path, path: bytes, expected: bytes) -> None:
    (rootfs / "dir/sub").mkdir(parents=True)
    (rootfs / "rel").symlink_to("dir")
    (rootfs / "abs").symlink_to("/dir/sub")
    (rootfs / "chain").symlink_to("abs")
    (rootfs / "escape").symlink_to("../../..")
    (rootfs / "gone").symlink_to("nothing/here")
    with RootDir.open(rootfs) as root:
        assert resolve(root, path) == expected


def test_links_that_go_round_are_refused(rootfs: Path, tmp_path: Path) -> None:
    (rootfs / "a").symlink_to("b")
    (rootfs / "b").symlink_to("a")
    with RootDir.open(rootfs) as root, pytest.raises(DocumentError, match="links"):
        resolve(root, b"/a/x")
