"""Layers that a read-only store has unpacked are mounted from there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgfetch.fs.idmap import IdMapping
from imgfetch.snapshot.elsewhere import ElsewhereSnapshotter
from tests.support.forked import in_namespaces
from tests.support.mounts import read_only
from tests.support.snapshots import BASE, EXPECTED, MIDDLE, TOP, Store, mounted, store_for
from tests.support.trees import paths, snapshot_tree
from tests.support.users import User

LAYERS = [BASE, MIDDLE, TOP]


def stores(user: User | None, tmp_path: Path) -> tuple[Store, Store]:
    """A store with the layers unpacked, and one that is to read it."""
    shared = store_for(user, tmp_path / "shared")
    in_namespaces(lambda mapping: mounted(shared, LAYERS, mapping)[0].unmount(_run(shared)), user)
    return shared, store_for(user, tmp_path / "own")


def _run(store: Store) -> Path:
    return store.path / "runs/run"


def used(shared: Store, own: Store, user: User | None) -> tuple[set[str], str, list[str]]:
    """The paths of the root that is mounted, a text in it, and what had to be unpacked."""

    def work(mapping: IdMapping) -> tuple[set[str], str, list[str]]:
        made = ElsewhereSnapshotter([str(shared.path)], mapping, own.snapshotter(mapping))
        made.prepare(LAYERS)
        root = made.mount(LAYERS, own.run_directory())
        (root / "etc/a").write_text("changed")
        found = paths(root), (root / "etc/b").read_text(), own.snapshots()
        made.unmount(_run(own))
        return found

    return in_namespaces(work, user)


@pytest.mark.parametrize("kind", ["root", "subid_user", "plain_user"])
def test_they_are_used_in_place(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    user = None if kind == "root" else request.getfixturevalue(kind)
    shared, own = stores(user, tmp_path)
    before = snapshot_tree(shared.path)
    with read_only(shared.path):
        found, text, unpacked = used(shared, own, user)
    assert found | {"."} == EXPECTED
    assert text == "lower"
    assert unpacked == []
    assert snapshot_tree(shared.path) == before


@pytest.mark.parametrize("why", ["foreign", "open", "without links", "without the topmost"])
def test_what_can_not_be_trusted_or_used_is_unpacked_again(tmp_path: Path, why: str) -> None:
    """S122: whoever can change unpacked layers could change what runs."""
    shared, own = stores(None, tmp_path)
    snapshots = shared.path / "snapshots/root"
    (topmost,) = (path.parent for path in snapshots.glob("*/l"))
    match why:
        case "foreign":
            os.chown(snapshots, 4242, -1)
        case "open":
            snapshots.chmod(0o770)
        case "without links":
            (topmost / "l").rename(topmost / "links")
        case _:
            topmost.rename(snapshots / "elsewhere")
    with read_only(shared.path):
        found, _, unpacked = used(shared, own, None)
    assert found | {"."} == EXPECTED
    assert len(unpacked) == len(LAYERS)


def test_an_image_without_layers_needs_nothing(tmp_path: Path) -> None:
    own = store_for(None, tmp_path)

    def work(mapping: IdMapping) -> list[str]:
        made = ElsewhereSnapshotter(["/no/such/store"], mapping, own.snapshotter(mapping))
        made.prepare([])
        return os.listdir(made.mount([], own.run_directory()))

    assert in_namespaces(work, None) == []
