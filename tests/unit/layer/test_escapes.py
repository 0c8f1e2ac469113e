"""No layer reaches outside its root: every case runs beside a directory that must not change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgfetch.errors import LayerError, MalformedLayerError, UnsafeLayerError
from tests.support.layers import (
    Sandbox,
    directory,
    file,
    hardlink,
    header,
    layer,
    symlink,
)


@pytest.mark.parametrize(
    "name",
    ["../rootfs-evil/a", "a/../../rootfs-evil/a", "/../rootfs-evil/a", "..", "a/..", "./../x"],
)
def test_s070_names_that_lead_upwards_are_refused(sandbox: Sandbox, name: str) -> None:
    with pytest.raises(UnsafeLayerError, match="leads upwards"):
        sandbox.apply(layer(file(name, b"x")))


def test_s070_an_empty_name_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(MalformedLayerError, match="no name"):
        sandbox.apply(layer(file("", b"x")))


def test_s070_a_name_with_dots_is_a_name(sandbox: Sandbox) -> None:
    sandbox.apply(layer(file("a..b/..c", b"x"), file("...", b"y")))
    assert sandbox.tree() == {"a..b": "dir", "a..b/..c": "x", "...": "y"}


def test_s070_an_absolute_name_starts_at_the_root(sandbox: Sandbox) -> None:
    outside = sandbox.outside / "new"
    sandbox.apply(layer(file(str(outside), b"x")))
    assert (sandbox.root / outside.relative_to("/")).read_bytes() == b"x"


@pytest.mark.parametrize("target", ["/OUT", "../../../../../../../../../../OUT", "/x/../../OUT"])
def test_s071_writing_through_a_link_stays_inside(sandbox: Sandbox, target: str) -> None:
    sandbox.apply(layer(symlink("link", target), file("link/a", b"x")))
    assert sandbox.tree()["OUT/a"] == "x"


def test_s071_a_link_that_climbs_inside_the_root_works_as_in_a_chroot(sandbox: Sandbox) -> None:
    sandbox.apply(layer(directory("d"), symlink("x", "/d/../etc"), file("x/a", b"x")))
    assert sandbox.tree() == {"d": "dir", "x": "-> /d/../etc", "etc": "dir", "etc/a": "x"}


def test_s071_a_chain_of_links_stays_inside(sandbox: Sandbox) -> None:
    sandbox.apply(layer(symlink("d/etc", "/etc"), symlink("x", "d/etc"), file("x/a", b"x")))
    assert sandbox.tree()["etc/a"] == "x"


def test_s072_links_longer_than_a_path_may_be_stay_inside(sandbox: Sandbox) -> None:
    long = "d" * 247
    members = []
    path = ""
    for letter in "abcdefghijklmnop":
        members += [directory(f"{path}{long}"), symlink(f"{path}{letter}", long)]
        path += f"{letter}/"
    inner = "/".join("abcdefghijklmnop")
    members += [
        symlink(f"{inner}/{'l' * 254}", "../" * 16),
        symlink("escape", f"{inner}/{'l' * 254}/../{sandbox.outside.name}"),
        hardlink("flag", "escape/s"),
        file("flag", b"overwritten"),
    ]
    # The target of the hard link does not exist inside.
    with pytest.raises(MalformedLayerError, match="hard link"):
        sandbox.apply(layer(*members))


def test_s073_a_link_of_a_layer_below_stays_inside(sandbox: Sandbox) -> None:
    sandbox.apply(layer(symlink("x", str(sandbox.outside))), layer(file("x/s", b"mine")))
    inside = sandbox.root / sandbox.outside.relative_to("/") / "s"
    assert inside.read_bytes() == b"mine"


@pytest.mark.parametrize("name", [".", "/", "./", "./.", "//"])
@pytest.mark.parametrize("kind", ["symlink", "file", "hardlink"])
def test_s074_the_root_can_only_be_a_directory(sandbox: Sandbox, name: str, kind: str) -> None:
    entry = {
        "symlink": symlink(name, str(sandbox.outside)),
        "file": header(os.fsencode(name.rstrip("/") or "."), b"0"),
        "hardlink": hardlink(name, "s"),
    }[kind]
    before = sandbox.root.stat().st_ino
    with pytest.raises(UnsafeLayerError, match="root directory"):
        sandbox.apply(layer(entry, file("a")))
    assert sandbox.root.stat().st_ino == before


@pytest.mark.parametrize("name", ["..", ""])
def test_s074_the_root_can_not_be_replaced_under_other_names(sandbox: Sandbox, name: str) -> None:
    with pytest.raises(LayerError):
        sandbox.apply(layer(symlink(name, str(sandbox.outside)), file("a")))


@pytest.mark.parametrize("where", ["", "a/b/"])
def test_s075_a_hard_link_to_a_symbolic_link_is_that_link(sandbox: Sandbox, where: str) -> None:
    target = os.path.relpath(sandbox.outside / "s", sandbox.root / where)
    sandbox.apply(
        layer(symlink(f"{where}l", target), hardlink("h", f"{where}l", mode=0o777, mtime=1))
    )
    assert (sandbox.root / "h").is_symlink()
    one, other = (sandbox.root / "h").lstat(), (sandbox.root / f"{where}l").lstat()
    assert os.path.samestat(one, other)


def test_s075_a_file_over_a_hard_link_to_a_link_replaces_it(sandbox: Sandbox) -> None:
    target = str(sandbox.outside / "s")
    sandbox.apply(layer(symlink("l", target), hardlink("h", "l"), file("h", b"x")))
    assert sandbox.tree() == {"l": f"-> {target}", "h": "x"}


@pytest.mark.parametrize("target", ["/OUTSIDE/s", "d/OUTSIDE/s", "e/s"])
def test_s076_a_hard_link_to_outside_finds_nothing(sandbox: Sandbox, target: str) -> None:
    place = str(sandbox.outside).lstrip("/")
    stream = layer(
        symlink("d", "/"),
        symlink("e", f"../{sandbox.outside.name}"),
        hardlink("h", target.replace("OUTSIDE", place)),
    )
    with pytest.raises(MalformedLayerError, match="hard link to a file that is not there"):
        sandbox.apply(stream)


def test_s076_a_hard_link_that_leads_upwards_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(UnsafeLayerError, match="leads upwards"):
        sandbox.apply(layer(hardlink("h", "../rootfs-evil/s")))


def test_s077_a_hard_link_is_not_relative_to_the_working_directory(
    sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path_factory.mktemp("cwd")
    (here / "sentinel").write_text("outside")
    monkeypatch.chdir(here)
    with pytest.raises(MalformedLayerError, match="hard link"):
        sandbox.apply(layer(hardlink("d/h", "sentinel")))
    assert (here / "sentinel").stat().st_nlink == 1


def test_s078_a_sibling_with_the_same_prefix_is_outside(sandbox: Sandbox) -> None:
    sandbox.apply(layer(symlink("x", "../rootfs-evil"), file("x/s", b"mine")))
    assert sandbox.tree()["rootfs-evil/s"] == "mine"


def test_s083_directories_and_links_that_replace_each_other(sandbox: Sandbox) -> None:
    sandbox.apply(
        layer(
            directory("foo"),
            directory("foo/tmp"),
            file("foo/tmp/b", b"1"),
            symlink("foo", "/"),
            file("foo/tmp/b", b"2"),
            directory("foo"),
            directory("foo/tmp"),
            file("foo/tmp/b", b"3"),
        )
    )
    expected = {"foo": "dir", "foo/tmp": "dir", "foo/tmp/b": "3", "tmp": "dir", "tmp/b": "2"}
    assert sandbox.tree() == expected


def test_s083_what_is_known_of_a_directory_ends_with_it(sandbox: Sandbox) -> None:
    outside = str(sandbox.outside)
    sandbox.apply(layer(directory("a"), file("a/1"), symlink("a", outside), file("a/s", b"mine")))
    assert (sandbox.root / outside.lstrip("/") / "s").read_bytes() == b"mine"


def test_s083_a_path_through_a_replaced_link_is_resolved_again(sandbox: Sandbox) -> None:
    sandbox.apply(
        layer(
            directory("one"),
            directory("two"),
            symlink("x", "one"),
            file("x/a", b"1"),
            symlink("x", "two"),
            file("x/a", b"2"),
        )
    )
    tree = sandbox.tree()
    assert (tree["one/a"], tree["two/a"]) == ("1", "2")


def test_s084_a_file_over_a_link_does_not_write_to_its_target(sandbox: Sandbox) -> None:
    target = str(sandbox.outside / "s")
    sandbox.apply(layer(symlink("f", target)), layer(file("f", b"x")))
    assert sandbox.tree() == {"f": "x"}


def test_s084_a_file_over_a_pipe_does_not_open_it(sandbox: Sandbox) -> None:
    os.mkfifo(sandbox.root / "f")
    sandbox.apply(layer(file("f", b"x")))
    assert sandbox.tree() == {"f": "x"}


def test_s085_metadata_of_a_link_is_its_own(sandbox: Sandbox) -> None:
    target = str(sandbox.outside / "s")
    sandbox.apply(layer(symlink("x", target, mode=0o777, uid=1, gid=2, mtime=3)))
    status = (sandbox.root / "x").lstat()
    assert (status.st_uid, status.st_gid, status.st_mtime_ns) == (1, 2, 3_000_000_000)


def test_s086_metadata_of_a_directory_that_became_a_link_is_dropped(sandbox: Sandbox) -> None:
    sandbox.apply(
        layer(directory("a", mode=0o777, uid=5, mtime=1), symlink("a", str(sandbox.outside)))
    )
    assert (sandbox.root / "a").is_symlink()


def test_s086_metadata_goes_to_the_directory_that_replaced_another(sandbox: Sandbox) -> None:
    sandbox.apply(layer(directory("a", mode=0o700), file("a"), directory("a", mode=0o711)))
    assert (sandbox.root / "a").stat().st_mode & 0o7777 == 0o711


def test_too_many_links_are_an_error(sandbox: Sandbox) -> None:
    with pytest.raises(UnsafeLayerError, match="too many symbolic links"):
        sandbox.apply(layer(symlink("a", "b"), symlink("b", "a"), file("a/x")))


def test_forty_links_are_not_too_many(sandbox: Sandbox) -> None:
    links = [symlink(f"l{number}", f"l{number + 1}") for number in range(40)]
    sandbox.apply(layer(*links, directory("l40"), file("l0/x", b"x")))
    assert sandbox.tree()["l40/x"] == "x"


def test_s104_s105_nothing_of_the_root_is_run_or_imported(sandbox: Sandbox, tmp_path: Path) -> None:
    """The process stays outside: it neither changes its root nor its working directory."""
    before = os.stat("/"), Path.cwd()
    sandbox.apply(layer(file("usr/bin/unpigz", b"#!/bin/false", mode=0o755)))
    assert (os.stat("/"), Path.cwd()) == before
