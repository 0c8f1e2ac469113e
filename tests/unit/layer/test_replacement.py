"""What an entry does to what it meets: image-spec layer.md "Changeset over existing files"."""

from __future__ import annotations

import os
import stat

import pytest

from imgfetch.errors import MalformedLayerError, UnsafeLayerError
from imgfetch.layer.options import ApplyOptions
from tests.support.layers import Sandbox, directory, fifo, file, hardlink, layer, symlink


def test_s102_the_last_of_two_entries_counts(sandbox: Sandbox) -> None:
    sandbox.apply(layer(file("a", b"1"), file("a", b"2")))
    assert sandbox.tree() == {"a": "2"}


def test_s102_a_directory_after_a_file_replaces_it(sandbox: Sandbox) -> None:
    sandbox.apply(layer(file("a"), directory("a"), file("a/b")))
    assert sandbox.tree() == {"a": "dir", "a/b": ""}


def test_s102_names_that_differ_in_case_are_two(sandbox: Sandbox) -> None:
    sandbox.apply(layer(file("A", b"1"), file("a", b"2")))
    assert sandbox.tree() == {"A": "1", "a": "2"}


def test_r062_missing_parents_are_the_same_every_time(sandbox: Sandbox) -> None:
    sandbox.apply(layer(directory("etc/dnf/", mode=0o700), file("./usr/./bin//x", b"x")))
    assert sandbox.tree() == {
        "etc": "dir",
        "etc/dnf": "dir",
        "usr": "dir",
        "usr/bin": "dir",
        "usr/bin/x": "x",
    }
    status = (sandbox.root / "etc").stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_mtime) == (0o755, 0, 0)


def test_r062_a_later_entry_says_what_a_parent_is_like(sandbox: Sandbox) -> None:
    sandbox.apply(layer(file("etc/x"), directory("etc", mode=0o711, uid=7, mtime=9)))
    status = (sandbox.root / "etc").stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_mtime) == (0o711, 7, 9)


def test_r063_links_of_layers_below_are_followed_inside(sandbox: Sandbox) -> None:
    sandbox.apply(
        layer(directory("run"), symlink("var/run", "/run")),
        layer(file("var/run/x", b"x"), hardlink("y", "var/run/x")),
    )
    assert sandbox.tree()["run/x"] == "x"
    assert os.path.samefile(sandbox.root / "y", sandbox.root / "run/x")


def test_r063_a_link_that_leads_nowhere_gets_its_directory(sandbox: Sandbox) -> None:
    sandbox.apply(layer(symlink("var/run", "../run/now"), file("var/run/x", b"x")))
    assert sandbox.tree()["run/now/x"] == "x"


def test_r064_absolute_targets_of_hard_links_start_at_the_root(sandbox: Sandbox) -> None:
    sandbox.apply(layer(file("usr/bin/b", b"b"), hardlink("a", "/usr/bin/b")))
    assert os.path.samefile(sandbox.root / "a", sandbox.root / "usr/bin/b")


def test_r066_replacing_one_of_two_names_leaves_the_other(sandbox: Sandbox) -> None:
    sandbox.apply(layer(file("a", b"old"), hardlink("b", "a")), layer(file("a", b"new")))
    assert sandbox.tree() == {"a": "new", "b": "old"}


@pytest.mark.parametrize(
    ("below", "upper", "expected"),
    [
        (directory("a") + file("a/x"), directory("a"), {"a": "dir", "a/x": ""}),
        (directory("a") + file("a/x"), file("a", b"f"), {"a": "f"}),
        (directory("a") + file("a/x"), symlink("a", "t"), {"a": "-> t"}),
        (directory("a") + file("a/x") + file("b", b"b"), hardlink("a", "b"), {"a": "b", "b": "b"}),
        (directory("a") + file("a/x"), fifo("a"), {"a": "special"}),
        (file("a", b"f"), directory("a"), {"a": "dir"}),
        (file("a", b"f"), symlink("a", "t"), {"a": "-> t"}),
        (fifo("a"), directory("a"), {"a": "dir"}),
        (symlink("a", "t") + directory("t"), directory("a"), {"a": "dir", "t": "dir"}),
        (symlink("a", "t"), symlink("a", "u"), {"a": "-> u"}),
        (symlink("a", "t") + file("t", b"t"), file("a", b"f"), {"a": "f", "t": "t"}),
    ],
)
def test_r067_types_replace_each_other(
    sandbox: Sandbox, below: bytes, upper: bytes, expected: dict[str, str]
) -> None:
    sandbox.apply(layer(below), layer(upper))
    assert sandbox.tree() == expected


def test_r067_a_directory_over_a_directory_takes_the_attributes(sandbox: Sandbox) -> None:
    sandbox.apply(layer(directory("a", mode=0o700, uid=1)), layer(directory("a", gid=2, mtime=3)))
    status = (sandbox.root / "a").stat()
    assert stat.S_IMODE(status.st_mode) == 0o755
    assert (status.st_uid, status.st_gid, status.st_mtime) == (0, 2, 3)


def test_r068_a_parent_that_is_a_file_becomes_a_directory(sandbox: Sandbox) -> None:
    sandbox.apply(layer(file("a", b"x")), layer(file("a/b", b"y")))
    assert sandbox.tree() == {"a": "dir", "a/b": "y"}


def test_keep_dirlinks_leaves_a_link_to_a_directory(sandbox: Sandbox) -> None:
    below = layer(directory("run"), directory("x"), symlink("x/var", "../run"), symlink("y", "no"))
    upper = layer(directory("x/var", mode=0o711), file("x/var/f"), directory("y"))
    sandbox.apply(below, upper, options=ApplyOptions(keep_dirlinks=True))
    assert sandbox.tree() == {
        "run": "dir",
        "run/f": "",
        "x": "dir",
        "x/var": "-> ../run",
        "y": "dir",
    }
    assert (sandbox.root / "run").stat().st_mode & 0o7777 == 0o711


def test_a_hard_link_to_itself_changes_nothing(sandbox: Sandbox) -> None:
    sandbox.apply(
        layer(file("a", b"x"), hardlink("a", "a"), hardlink("b", "a"), hardlink("a", "b"))
    )
    assert sandbox.tree() == {"a": "x", "b": "x"}


def test_a_hard_link_replaces_what_has_its_name(sandbox: Sandbox) -> None:
    sandbox.apply(layer(file("a", b"x"), file("b", b"y"), hardlink("b", "a")))
    assert sandbox.tree() == {"a": "x", "b": "x"}


def test_a_hard_link_can_not_replace_the_directory_of_its_target(sandbox: Sandbox) -> None:
    with pytest.raises(MalformedLayerError, match="not there"):
        sandbox.apply(layer(file("a/b"), hardlink("a", "a/b")))


@pytest.mark.parametrize("target", ["/", ".", "", "d/none", "none/x", "f/x"])
def test_a_hard_link_needs_its_target(sandbox: Sandbox, target: str) -> None:
    with pytest.raises(MalformedLayerError):
        sandbox.apply(layer(directory("d"), file("f"), hardlink("h", target)))


@pytest.mark.parametrize("name", ["h", "d", "f", "d/e"])
def test_a_hard_link_to_a_directory_is_refused(sandbox: Sandbox, name: str) -> None:
    with pytest.raises(UnsafeLayerError, match="is a directory"):
        sandbox.apply(layer(directory("d"), file("f"), hardlink(name, "d")))


def test_a_link_to_nothing_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(MalformedLayerError, match="link to nothing"):
        sandbox.apply(layer(symlink("l", "")))


def test_hundreds_of_directories_need_few_descriptors(sandbox: Sandbox) -> None:
    names = [f"{a}/{b}/{c}" for a in range(8) for b in range(8) for c in range(8)]
    below = layer(*(file(f"{name}/x") for name in names))
    upper = layer(
        *(file(f"{name}/y") for name in names), *(hardlink(f"{a}", "7/7/7/y") for a in "xyz")
    )
    sandbox.apply(below, upper)
    assert len(sandbox.tree()) == 2 * 512 + 8 + 64 + 512 + 3


def test_paths_of_two_thousand_directories_need_few_descriptors(sandbox: Sandbox) -> None:
    deep = "/".join("a" * 2000)
    sandbox.apply(layer(file(f"{deep}/x")), layer(file(f"{deep}/y"), file(".wh.a")))
    # Step by step: the kernel takes its time for each such path.
    depth, here = 0, os.open(sandbox.root, os.O_RDONLY)
    while (names := os.listdir(here)) == ["a"]:
        below = os.open("a", os.O_RDONLY, dir_fd=here)
        os.close(here)
        depth, here = depth + 1, below
    os.close(here)
    assert (depth, names) == (2000, ["y"])


def test_r065_odd_names_are_kept(sandbox: Sandbox) -> None:
    names = [b"\xff\xfe", b"a\nb", b"-rf", b" ", b"\xed\xa0\x80", b"a" * 255, b"\\"]
    sandbox.apply(layer(*(file(name) for name in names)))
    assert set(os.listdir(os.fsencode(sandbox.root))) == set(names)


def test_s100_a_component_too_long_for_the_file_system_is_named(sandbox: Sandbox) -> None:
    with pytest.raises(Exception, match="too long for the file system"):
        sandbox.apply(layer(file("a" * 300)))
