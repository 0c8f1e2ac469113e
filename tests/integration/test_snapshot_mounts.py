"""Layers unpacked and mounted by the kernel's overlayfs, as root and as ordinary users."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from imgfetch.fs.idmap import IdMapping
from imgfetch.fs.removal import remove_tree
from imgfetch.layer.applier import Applier
from imgfetch.layer.options import ApplyOptions
from imgfetch.layer.ownership import SingleOwner
from tests.support.contents import Dir, File, Hardlink, Whiteout
from tests.support.forked import in_namespaces
from tests.support.snapshots import (
    BASE,
    CONTENT,
    EXPECTED,
    MIDDLE,
    TOP,
    Store,
    mounted,
    store_for,
)
from tests.support.trees import Tree, snapshot_tree
from tests.support.unpacking import MemoryContent, TarApplier
from tests.support.users import User

Place = Callable[[User | None], Store]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return lambda user: store_for(user, tmp_path)


@pytest.mark.parametrize("mode", ["overlay", "copy", "auto"])
@pytest.mark.parametrize("kind", ["root", "subid_user", "plain_user"])
def test_the_root_is_what_the_layers_say(
    mode: str, kind: str, place: Place, request: pytest.FixtureRequest
) -> None:
    user = None if kind == "root" else request.getfixturevalue(kind)
    store = place(user)

    def work(mapping: IdMapping) -> tuple[set[str], dict[str, str], tuple[int, ...], list[str]]:
        _, root = mounted(store, [BASE, MIDDLE, TOP], mapping, mode)
        tree = snapshot_tree(root)
        texts = {name: (root / name).read_text() for name in ("etc/a", "etc/b", "again/new")}
        modes = (tree["etc"].mode, tree["etc/a"].mode, tree["etc/b"].mode, tree["closed"].mode)
        assert tree["etc/b"].links == ("etc/b", "etc/c")
        assert tree["link"].target == "/etc"
        return set(tree), texts, modes, store.notes.warnings

    paths, texts, modes, warnings = in_namespaces(work, user)
    assert paths == EXPECTED
    assert texts == {"etc/a": "top", "etc/b": "lower", "again/new": "top"}
    assert modes == (0o750, 0o755, 0o4755, 0)
    assert warnings == []


@pytest.mark.parametrize("mode", ["overlay", "copy"])
def test_what_a_run_writes_is_its_own(mode: str, place: Place, any_user: User) -> None:
    """S128, R127: neither the snapshots nor other runs change, and nothing is left."""
    store = place(any_user)

    def work(mapping: IdMapping) -> None:
        first, one = mounted(store, [BASE, MIDDLE], mapping, mode, "one")
        _, two = mounted(store, [BASE, MIDDLE], mapping, mode, "two")
        before = snapshot_tree(two)
        (one / "etc/b").write_text("changed")
        (one / "opaque/new").unlink()
        (one / "opaque").rmdir()
        (one / "opaque").mkdir()
        assert list((one / "opaque").iterdir()) == []
        (one / "sub").mkdir(mode=0)
        assert snapshot_tree(two) == before
        first.unmount(store.path / "runs/one")
        remove_tree(store.path / "runs/one")

    in_namespaces(work, any_user)
    assert not (store.path / "runs/one").exists()


def test_all_names_of_a_file_stay_together_when_a_layer_links_to_one(
    tmp_path: Path, any_user: User
) -> None:
    """The kernel copies the file up under that one name, and leaves the others behind."""
    content = MemoryContent()
    layers = [
        content.add(
            {"a": File("one"), "d": Dir(mtime=7), "d/b": Hardlink("a"), "e": Hardlink("a"),
             "f": Hardlink("a"), "other": File("other")}
        ),
        content.add({"e": Whiteout(), "f": File("new"), "new": Hardlink("a"), "x": Hardlink("f")}),
        content.add({"last": Hardlink("d/b")}),
    ]  # fmt: skip
    path = store_for(any_user, tmp_path).path
    applier = Applier(ApplyOptions(owners=SingleOwner()))
    # Snapshotters take any applier.
    store = Store(path, content, applier=applier)  # type: ignore[arg-type]

    def work(mapping: IdMapping) -> Tree:
        return snapshot_tree(mounted(store, layers, mapping, "overlay")[1])

    tree = in_namespaces(work, any_user)
    assert tree["a"].links == ("a", "d/b", "last", "new")
    assert tree["f"].links == ("f", "x")
    assert tree["d"].mtime_ns == 7_000_000_000
    assert "e" not in tree


@pytest.mark.parametrize("mode", ["overlay", "copy", "auto"])
def test_an_image_without_layers_has_an_empty_root(mode: str, place: Place) -> None:
    store = place(None)

    def work(mapping: IdMapping) -> list[str]:
        made, root = mounted(store, [], mapping, mode)
        (root / "file").touch()
        made.unmount(root.parent)
        return os.listdir(root)

    assert in_namespaces(work) == ["file"]


def test_one_layer_is_enough_for_an_overlay(place: Place, any_user: User) -> None:
    store = place(any_user)

    def work(mapping: IdMapping) -> str:
        _, root = mounted(store, [BASE], mapping, "overlay")
        return (root / "etc/a").read_text()

    assert in_namespaces(work, any_user) == "lower"


def test_the_root_has_the_attributes_that_the_image_gives_it(place: Place) -> None:
    store = place(None)
    layers = [
        CONTENT.add({".": Dir(mode=0o511, uid=3, gid=4), "a": File()}),
        CONTENT.add({"b": File()}),
    ]

    def work(mapping: IdMapping) -> tuple[int, int, int]:
        _, root = mounted(store, layers, mapping, "overlay")
        status = root.stat()
        return status.st_mode & 0o7777, status.st_uid, status.st_gid

    assert in_namespaces(work) == (0o511, 3, 4)


def test_more_layers_can_be_mounted_than_a_page_has_paths(place: Place, plain_user: User) -> None:
    """P07."""
    store = place(plain_user)
    count = 80
    layers = [CONTENT.add({f"f{number}": File(str(number))}) for number in range(count)]

    def work(mapping: IdMapping) -> int:
        _, root = mounted(store, layers, mapping, "overlay")
        assert (root / "f0").read_text() == "0"
        assert (root / f"f{count - 1}").read_text() == f"{count - 1}"
        return len(os.listdir(root))

    assert in_namespaces(work, plain_user) == count
    assert count * len(f"{store.path}/snapshots//{layers[0].diff_id.encoded}/fs") > mmap.PAGESIZE


def test_layers_that_images_share_are_unpacked_once(place: Place, tmp_path: Path) -> None:
    log = tmp_path / "log"
    store = Store(place(None).path, applier=TarApplier(log))

    def work(mapping: IdMapping) -> set[str]:
        mounted(store, [BASE, MIDDLE, TOP], mapping, "overlay", "one")
        # The topmost one here was in the middle of the other.
        _, root = mounted(store, [BASE, MIDDLE], mapping, "overlay", "two")
        mounted(store, [BASE, TOP], mapping, "overlay", "three")
        return set(os.listdir(root))

    assert "again" not in in_namespaces(work)
    short = [layer.diff_id.short for layer in (BASE, MIDDLE, TOP, TOP)]
    assert log.read_text().split() == short


def test_a_warm_run_opens_no_blob(place: Place, any_user: User) -> None:
    store = place(any_user)
    in_namespaces(lambda mapping: mounted(store, [BASE, TOP], mapping)[1], any_user)
    empty = Store(store.path, MemoryContent())

    def again(mapping: IdMapping) -> str:
        return (mounted(empty, [BASE, TOP], mapping, name="again")[1] / "etc/a").read_text()

    assert in_namespaces(again, any_user) == "top"
