"""Whiteouts: they remove what is of the layers below, and nothing else."""

from __future__ import annotations

import itertools
import os

import pytest

from imgfetch.errors import MalformedLayerError
from imgfetch.layer.whiteout import Whiteout, classify, is_note
from tests.support.layers import Sandbox, directory, file, hardlink, layer, symlink

BELOW = layer(
    directory("d"),
    file("d/old", b"old"),
    directory("d/sub", mode=0o700, mtime=5),
    file("d/sub/old", b"old"),
    file("a", b"old"),
)


@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", "etc/.wh.", "etc/.wh..", "etc/.wh..."])
def test_s079_a_whiteout_of_nothing_is_refused(sandbox: Sandbox, name: str) -> None:
    with pytest.raises(MalformedLayerError, match="whiteout"):
        sandbox.apply(layer(directory("etc"), file("etc/x")), layer(file(name)))
    assert sandbox.tree() == {"etc": "dir", "etc/x": ""}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"a", None),
        (b"a.wh.", None),
        (b".wh.a", Whiteout(b"a")),
        (b".wh..a", Whiteout(b".a")),
        (b".wh....", Whiteout(b"...")),
        (b".wh..wh..opq", Whiteout(None)),
    ],
)
def test_classification(name: bytes, expected: Whiteout | None) -> None:
    assert classify(name) == expected


def test_notes_of_aufs_are_no_content(sandbox: Sandbox) -> None:
    sandbox.apply(
        layer(file(".wh..wh.aufs"), directory(".wh..wh.plnk"), file(".wh..wh.plnk/1.2"), file("a"))
    )
    assert sandbox.tree() == {"a": ""}
    assert not is_note(b"a/.wh..wh..opq")


def test_nothing_can_be_below_a_whiteout(sandbox: Sandbox) -> None:
    with pytest.raises(MalformedLayerError, match="reserved"):
        sandbox.apply(layer(file(".wh.a/b")))


def test_s080_a_whiteout_through_a_link_removes_inside(sandbox: Sandbox) -> None:
    place = str(sandbox.outside)
    sandbox.apply(
        layer(symlink("x", place), file(f"{place}/s"), file(f"{place}/t")),
        layer(file("x/.wh.s")),
    )
    assert os.listdir(sandbox.root / place.lstrip("/")) == ["t"]
    sandbox.apply(layer(file("x/.wh..wh..opq")))
    assert os.listdir(sandbox.root / place.lstrip("/")) == []


def test_s081_a_whiteout_of_a_link_removes_the_link(sandbox: Sandbox) -> None:
    sandbox.apply(layer(symlink("x", "d"), directory("d"), file("d/a")), layer(file(".wh.x")))
    assert sandbox.tree() == {"d": "dir", "d/a": ""}


def test_s081_an_absolute_link_outside_is_removed_itself(sandbox: Sandbox) -> None:
    sandbox.apply(layer(symlink("x", str(sandbox.outside))), layer(file(".wh.x")))
    assert sandbox.tree() == {}


@pytest.mark.parametrize("order", [0, 1])
def test_s082_an_opaque_directory_keeps_what_its_layer_made(sandbox: Sandbox, order: int) -> None:
    upper = [file("d/new", b"new"), file("d/.wh..wh..opq")]
    sandbox.apply(BELOW, layer(*(upper if order else reversed(upper))))
    assert sandbox.tree() == {"a": "old", "d": "dir", "d/new": "new"}


@pytest.mark.parametrize("order", [0, 1])
def test_s082_a_whiteout_of_what_its_layer_made_leaves_it(sandbox: Sandbox, order: int) -> None:
    upper = [file("a", b"new"), file(".wh.a")]
    sandbox.apply(BELOW, layer(*(upper if order else reversed(upper))))
    assert sandbox.tree()["a"] == "new"


def _orders() -> list[tuple[bytes, ...]]:
    return list(
        itertools.permutations((file("d/sub/new", b"new"), file(".wh.d"), file("d/own", b"own")))
    )


@pytest.mark.parametrize("members", _orders(), ids=range(6))
def test_s082_a_whiteout_of_a_directory_leaves_what_its_layer_has_in_it(
    sandbox: Sandbox, members: tuple[bytes, ...]
) -> None:
    """In any order: the directory is as good as new, and has only this layer's content."""
    sandbox.apply(BELOW, layer(*members))
    assert sandbox.tree() == {
        "a": "old",
        "d": "dir",
        "d/own": "own",
        "d/sub": "dir",
        "d/sub/new": "new",
    }
    status = (sandbox.root / "d/sub").stat()
    assert (status.st_mode & 0o7777, status.st_mtime) == (0o755, 0)


@pytest.mark.parametrize("order", [0, 1])
def test_s082_a_directory_made_anew_is_not_the_one_below(sandbox: Sandbox, order: int) -> None:
    upper = [directory("d", mode=0o711), file(".wh.d")]
    sandbox.apply(BELOW, layer(*(upper if order else reversed(upper))))
    assert sandbox.tree() == {"a": "old", "d": "dir"}
    assert (sandbox.root / "d").stat().st_mode & 0o7777 == 0o711


def test_s082_an_opaque_root_hides_all_layers_below(sandbox: Sandbox) -> None:
    sandbox.apply(BELOW, layer(file("new"), file(".wh..wh..opq")))
    assert sandbox.tree() == {"new": ""}


def test_s082_a_directory_opaque_twice_keeps_what_its_layer_made(sandbox: Sandbox) -> None:
    upper = layer(
        file("d/.wh..wh..opq"), file("d/new"), file("d/.wh..wh..opq"), file(".wh.d"), file(".wh.a")
    )
    sandbox.apply(BELOW, upper)
    assert sandbox.tree() == {"d": "dir", "d/new": ""}


def test_a_hard_link_to_a_file_below_is_of_this_layer(sandbox: Sandbox) -> None:
    sandbox.apply(BELOW, layer(hardlink("b", "a"), file(".wh.a"), file(".wh.b")))
    assert sandbox.tree()["b"] == "old"
    assert "a" not in sandbox.tree()


@pytest.mark.parametrize("name", [".wh.nothing", "no/.wh.nothing", "no/.wh..wh..opq", "a/.wh.x"])
def test_r072_a_whiteout_of_what_is_not_there_changes_nothing(sandbox: Sandbox, name: str) -> None:
    sandbox.apply(BELOW)
    before = sandbox.tree()
    sandbox.apply(layer(file(name)))
    assert sandbox.tree() == before


def test_r072_what_was_deleted_does_not_come_back(sandbox: Sandbox) -> None:
    sandbox.apply(BELOW, layer(file(".wh.d")), layer(directory("d"), file("d/x")))
    assert sandbox.tree() == {"a": "old", "d": "dir", "d/x": ""}


def test_a_whiteout_takes_a_whole_tree(sandbox: Sandbox) -> None:
    deep = "d/" + "/".join("x" * 20 for _ in range(150))
    sandbox.apply(layer(directory(deep), file(f"{deep}/f")), layer(file(".wh.d")))
    assert sandbox.tree() == {}


def test_markers_are_not_made(sandbox: Sandbox) -> None:
    sandbox.apply(BELOW, layer(file(".wh.a"), file("d/.wh..wh..opq")))
    assert not [path for path in sandbox.tree() if ".wh." in path]
