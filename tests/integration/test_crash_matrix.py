"""Whole commands, killed at each kind of step: the next one just works.

A step is a system call of the command or of a program that it starts; see
`tests.support.struck`. Tables of all steps are printed: ``-rP`` shows them.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from imgfetch.client import Client, Settings
from tests.e2e.traces import cgroups_with, eventually, mounts_with, processes_with
from tests.support.busybox import busybox_builder
from tests.support.cli import Imgfetch
from tests.support.contents import Dir, Entry, File
from tests.support.docker_registry import docker_registry
from tests.support.images import ImageBuilder
from tests.support.struck import Counts, Step, counted, steps, struck
from tests.support.trees import Tree, snapshot_tree
from tests.support.upload import upload

NAME = "localhost/image:1"
RUNS = "localhost/busybox:1"
OUTPUT = "output"
_RANDOM = {"trusted.overlay.uuid", "trusted.overlay.origin"}

# What is in the store before, and the command.
COMMANDS: dict[str, tuple[str | None, list[str]]] = {
    "pull": (None, ["pull", "REGISTRY"]),
    "pull --unpack": (None, ["pull", "--unpack", "LAYOUT"]),
    "unpack": ("pulled", ["unpack", NAME, OUTPUT]),
    "unpack --rootfs-only": ("pulled", ["unpack", "--rootfs-only", NAME, OUTPUT]),
    "save": ("pulled", ["save", NAME, "-o", OUTPUT]),
    "save --as oci": ("pulled", ["save", "--as", "oci", NAME, "-o", OUTPUT]),
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

    def place(self, name: str, prepared: str | None = None) -> Imgfetch:
        """The command with a new home, and a new store or a copy of one."""
        home = self.directory / name.replace(" ", "_") / "home"
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
    """A registry, a layout, an archive, and stores in several states."""
    directory = tmp_path_factory.mktemp("crashes")
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


@dataclass(frozen=True, slots=True)
class Case:
    """A command of which the outcome is known.

    Attributes:
        world: where it runs.
        command: see `COMMANDS`.
        counts: the calls that it makes.
        before: the store, when it begins.
        after: the store, when it has ended.
        output: what it writes.
    """

    world: World
    command: str
    counts: Counts
    before: Tree
    after: Tree
    output: Tree

    @classmethod
    def of(cls, world: World, command: str) -> Case:
        """Lets the command come to its end."""
        clean = world.place(f"{command}/clean", COMMANDS[command][0])
        before = _tree(clean.store)
        counts = counted(clean, *world.args(command), log=clean.store.parent / "log")
        return cls(world, command, counts, before, _tree(clean.store), _output(clean))

    def outcome(self, step: Step) -> str:
        """Kills the command at a step, and sees what the next one makes of that.

        Returns:
            How the command ended, or what was wrong afterwards.
        """
        try:
            return str(self._strike(step))
        except Exception as error:  # noqa: BLE001 - told with the outcomes of all other steps
            return "".join(traceback.format_exception(error))

    def _strike(self, step: Step) -> int:
        here = self.world.place(f"{self.command}/{step}", COMMANDS[self.command][0])
        result = struck(here, step, *self.world.args(self.command))
        assert "a bug in imgfetch" not in result.errors, result.errors
        assert "Traceback" not in result.errors, result.errors
        containers = _names(here.store / "runs")
        self._check_whole(here)
        self._go_on(here)
        self._check_whole(here)
        for container in containers:
            assert cgroups_with(container) == []
        self._check_clean(here)
        return result.returncode

    def _go_on(self, here: Imgfetch) -> None:
        if self.command == "rmi":
            listed = here("images").succeeded().lines
            if not any(line.startswith(f"{NAME} ") for line in listed):
                return
        refused = self.command.startswith("unpack") and _finished(_output(here)) == self.output
        # A directory that is whole is not made again.
        here(*self.world.args(self.command)).exited(13 if refused else 0)

    def _check_whole(self, here: Imgfetch) -> None:
        """All that can be seen is complete, and nothing runs or is mounted any more."""
        place = f"{here.store.parent}/"
        assert eventually(lambda: not processes_with(place)), processes_with(place)
        assert eventually(lambda: not mounts_with(place)), mounts_with(place)
        # Names of images included.
        assert Client(Settings(str(here.store))).check() == []
        for blob in here.store.glob("blobs/*/*"):
            assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name, blob
        store = _tree(here.store)
        for path in here.store.glob("snapshots/*/*/"):
            name = f"{path.relative_to(here.store)}/fs"
            if "/staging-" not in name:
                assert _below(name, store) == _below(name, self.before | self.after)
        output = _finished(_output(here))
        if not self.command.startswith("unpack") or f"{OUTPUT}/config.json" in output:
            assert output in ({}, self.output)
        elif output not in ({}, self.output):
            # What is there says of itself that it is not whole.
            names = _names(here.home / OUTPUT)
            assert not names or any(name.startswith(".imgfetch-staging-") for name in names)

    def _check_clean(self, here: Imgfetch) -> None:
        """Nothing is left of what was killed, at the latest after prune."""
        if _tree(here.store) != self.after:
            here("prune").succeeded()
        store = _tree(here.store)
        assert set(store) == set(self.after)
        assert store == self.after
        assert _output(here) == self.output


def _tree(path: Path) -> Tree:
    """What is there, without the numbers that overlays give what is in them."""
    tree = snapshot_tree(path, ignore={"mtime_ns"}) if path.exists() else {}
    return {path: replace(node, xattrs=_not_random(node.xattrs)) for path, node in tree.items()}


def _not_random(xattrs: tuple[tuple[str, bytes], ...]) -> tuple[tuple[str, bytes], ...]:
    return tuple(xattr for xattr in xattrs if xattr[0] not in _RANDOM)


def _output(here: Imgfetch) -> Tree:
    """The files that were written; a bundle's specification has an id that is new each time."""
    tree = {path: node for path, node in _tree(here.home).items() if path != "."}
    config = f"{OUTPUT}/config.json"
    if config in tree:
        json.loads((here.home / config).read_bytes())
        tree[config] = replace(tree[config], size=None, sha256=None)
    return tree


def _finished(output: Tree) -> Tree:
    """The part of it that has its names."""
    return {
        path: node
        for path, node in output.items()
        if ".tmp" not in path and ".imgfetch-staging-" not in path
    }


def _below(name: str, tree: Tree) -> Tree:
    return {path: node for path, node in tree.items() if f"{path}/".startswith(f"{name}/")}


def _names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory)) if directory.exists() else []


@pytest.mark.parametrize("command", COMMANDS)
def test_the_next_command_just_works(world: World, command: str) -> None:
    """R091, R092."""
    case = Case.of(world, command)
    chosen = steps(case.counts)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        outcomes = dict(zip(chosen, threads.map(case.outcome, chosen), strict=True))
    wrong = {step: text for step, text in outcomes.items() if not text.lstrip("-").isdigit()}
    ended = [f"{step}: {'wrong' if step in wrong else text}" for step, text in outcomes.items()]
    hit = sum(text != "0" for text in outcomes.values())
    print(f"{command}: {len(chosen)} steps, {hit} ended it\n  ", "\n   ".join(ended))  # noqa: T201 - the table
    assert not wrong, "\n\n".join(f"{step}\n{text}" for step, text in wrong.items())
    assert hit >= len(chosen) // 2
