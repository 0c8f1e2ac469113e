"""Whole commands with what they need, to let each of them fail in every way there is."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from imgfetch.client import Client, Settings
from tests.support.busybox import busybox_builder
from tests.support.cli import Imgfetch
from tests.support.contents import Dir, Entry, File
from tests.support.docker_registry import docker_registry
from tests.support.images import ImageBuilder
from tests.support.mounts import small_tmpfs
from tests.support.trees import Tree, snapshot_tree
from tests.support.upload import upload

NAME = "localhost/image:1"
RUNS = "localhost/busybox:1"
OUTPUT = "output"

_EROFS = bytes.fromhex("e2e1f5e0")
_RANDOM = {"trusted.overlay.uuid", "trusted.overlay.origin"}

# What is in the store before, and the command.
COMMANDS: dict[str, tuple[str | None, list[str]]] = {
    "pull": (None, ["pull", "REGISTRY"]),
    "pull --unpack": (None, ["pull", "--unpack", "LAYOUT"]),
    "unpack": ("pulled", ["unpack", NAME, OUTPUT]),
    "unpack --rootfs-only": ("pulled", ["unpack", "--rootfs-only", NAME, OUTPUT]),
    "save": ("pulled", ["save", NAME, "-o", OUTPUT]),
    "save --as oci": ("pulled", ["save", "--as", "oci", NAME, "-o", OUTPUT]),
    "export --as erofs": ("pulled", ["export", "--as", "erofs", NAME, "-o", OUTPUT]),
    "load": (None, ["load", "-i", "ARCHIVE"]),
    "rmi": ("unpacked", ["rmi", NAME]),
    "prune": ("unnamed", ["prune"]),
    "run": ("busybox", ["run", "--network", "none", RUNS, "sh", "-c", "echo new >/new"]),
}


@dataclass(frozen=True, slots=True)
class World:
    """What there is before any command.

    Attributes:
        directory: of this.
        words: what to put in the place of words of the commands.
    """

    directory: Path
    words: dict[str, str]

    def place(self, name: str, prepared: str | None = None, below: Path | None = None) -> Imgfetch:
        """The command with a new home, and a new store or a copy of one.

        Args:
            name: a path, where both are to be.
            prepared: the name of the place whose store is copied.
            below: what the path is relative to; `directory` by default.
        """
        home = (below or self.directory) / name.replace(" ", "_") / "home"
        home.mkdir(parents=True)
        command = Imgfetch(home.parent / "store", home)
        if prepared:
            source = self.directory / prepared / "store"
            subprocess.run(["cp", "-a", source, command.store], check=True, timeout=30)
        return command

    def args(self, command: str) -> list[str]:
        """The arguments of a command."""
        return [self.words.get(word, word) for word in COMMANDS[command][1]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A registry, a layout, an archive, and stores in several states.

    On a file system of its own, so that what other tests write is nothing to wait for when a
    command syncs.
    """
    top = tmp_path_factory.mktemp("crashes")
    with small_tmpfs(top / "fs", size=1 << 30) as directory:
        yield from _world(directory)


def _world(directory: Path) -> Iterator[World]:
    lower: dict[str, Entry] = {"etc": Dir(), "etc/a": File("a" * 5000), "d": Dir(), "d/b": File()}
    image = ImageBuilder().layer(lower).layer({"d/.wh.b": File(), "d/c": File("c")})
    written = image.layer({"n": Dir(), "n/x": File("x")}).write(directory / "layout", NAME)
    busybox_builder().write(directory / "layout", RUNS)
    words = {
        "LAYOUT": f"oci:{directory}/layout:{NAME}",
        "ARCHIVE": str(directory / "pulled/home/archive"),
    }
    with docker_registry(directory / "registry") as registry:
        words["REGISTRY"] = upload(
            registry.host, directory / "layout", written.descriptor, "image", "1"
        )
        made = World(directory, words)
        pulled = made.place("pulled")
        pulled("pull", words["LAYOUT"]).succeeded()
        pulled("save", NAME, "-o", "archive").succeeded()
        made.place("unpacked", "pulled")("pull", "--unpack", words["LAYOUT"]).succeeded()
        made.place("busybox")("pull", "--unpack", f"oci:{directory}/layout:{RUNS}").succeeded()
        index = made.place("unnamed", "unpacked").store / "index.json"
        index.write_text(json.dumps({**json.loads(index.read_bytes()), "manifests": []}))
        yield made


def check_whole(here: Imgfetch, command: str, known: Tree, written: Tree) -> None:
    """All that can be seen is complete.

    Args:
        here: where it was left.
        command: by whom; see `COMMANDS`.
        known: what is in the store before and after it.
        written: what it writes beside the store.
    """
    # Names of images included.
    assert Client(Settings(str(here.store))).check() == []
    for blob in here.store.glob("blobs/*/*"):
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name, blob
    store = store_tree(here.store)
    for path in here.store.glob("snapshots/*/*/"):
        name = f"{path.relative_to(here.store)}/fs"
        if "/staging-" not in name:
            assert _below(name, store) == _below(name, known)
    output = finished(output_tree(here))
    if not command.startswith("unpack") or f"{OUTPUT}/config.json" in output:
        assert output in ({}, written)
    elif output not in ({}, written):
        # What is there says of itself that it is not whole.
        names = names_in(here.home / OUTPUT)
        assert not names or any(name.startswith(".imgfetch-staging-") for name in names)


def store_tree(path: Path) -> Tree:
    """What is there, without the numbers that overlays give what is in them.

    And without the catalog: that remembers what has been here once.
    """
    tree = snapshot_tree(path, ignore={"mtime_ns"}) if path.exists() else {}
    tree.pop("catalog", None)
    return {path: replace(node, xattrs=_not_random(node.xattrs)) for path, node in tree.items()}


def _not_random(xattrs: tuple[tuple[str, bytes], ...]) -> tuple[tuple[str, bytes], ...]:
    return tuple(xattr for xattr in xattrs if xattr[0] not in _RANDOM)


def output_tree(here: Imgfetch) -> Tree:
    """The files that were written, as far as they are the same each time.

    A bundle's specification has an id of its own, and an erofs says when it was made.
    """
    tree = {path: node for path, node in store_tree(here.home).items() if path != "."}
    config = f"{OUTPUT}/config.json"
    if config in tree:
        json.loads((here.home / config).read_bytes())
        tree[config] = replace(tree[config], size=None, sha256=None)
    output = tree.get(OUTPUT)
    if output is not None and output.kind == "file" and _is_erofs(here.home / OUTPUT):
        tree[OUTPUT] = replace(output, sha256=None)
    return tree


def _is_erofs(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(1024)
        return file.read(4) == _EROFS


def finished(output: Tree) -> Tree:
    """The part of it that has its names."""
    return {
        path: node
        for path, node in output.items()
        if ".tmp" not in path and ".imgfetch-staging-" not in path
    }


def _below(name: str, tree: Tree) -> Tree:
    return {path: node for path, node in tree.items() if f"{path}/".startswith(f"{name}/")}


def names_in(directory: Path) -> list[str]:
    """What is in a directory; nothing if it is not there."""
    return sorted(os.listdir(directory)) if directory.exists() else []
