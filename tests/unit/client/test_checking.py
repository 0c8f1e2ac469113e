"""What ``fsck`` finds, and what it does about it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from imgfetch.client import Client, Settings
from tests.support.commandline import CommandLine
from tests.support.images import (
    File,
    ImageBuilder,
    WrittenImage,
    host_platform,
    write_index,
)
from tests.support.trees import paths, snapshot_tree

NAME = "registry.test/x:1"
FOREIGN = "linux/s390x" if host_platform().architecture != "s390x" else "linux/amd64"


@dataclass(frozen=True, slots=True)
class Stored:
    """An image in a store, unpacked."""

    command_line: CommandLine
    image: WrittenImage

    def blob(self, digest: object) -> Path:
        return self.command_line.store / "blobs" / str(digest).replace(":", "/")

    def found(self, *options: str, status: int = 11) -> list[tuple[str, str, bool]]:
        """Kind, name and whether it was repaired of each damage."""
        said = self.command_line.forked("--offline", "fsck", "--format", "json", *options)
        said.exited(status)
        return [(one["kind"], one["name"], one["repaired"] is not None) for one in said.json]


@pytest.fixture
def stored(command_line: CommandLine, tmp_path: Path) -> Stored:
    builder = ImageBuilder().layer({"a": File("a" * 3000)}).layer({"b": File("b")})
    image = builder.write(tmp_path / "layout", NAME)
    command_line.forked("pull", "--unpack", f"oci:{tmp_path}/layout:{NAME}").succeeded()
    return Stored(command_line, image)


def rot(path: Path) -> str:
    """Flips a bit; returns the path as fsck has it."""
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    return "/".join(path.parts[-3:])


def test_a_store_that_is_not_there_is_clean(command_line: CommandLine) -> None:
    assert command_line("fsck").succeeded().out == ""
    assert not command_line.store.exists()


def test_a_whole_store_is_clean_and_stays_as_it_is(stored: Stored) -> None:
    before = snapshot_tree(stored.command_line.store)
    assert stored.command_line("fsck").succeeded().out == ""
    assert stored.found(status=0) == []
    assert stored.found("--repair", status=0) == []
    assert snapshot_tree(stored.command_line.store) == before


@pytest.mark.parametrize("part", ["manifest", "config", "layer"])
def test_rotten_content_is_found_and_left_alone(stored: Stored, part: str) -> None:
    """S121, R094."""
    image = stored.image
    digests = {"manifest": image.digest, "config": image.config.digest}
    name = rot(stored.blob(digests.get(part, image.layers[1].digest)))
    before = snapshot_tree(stored.command_line.store)
    assert stored.found() == [("blob", name, False), ("image", NAME, False)]
    assert snapshot_tree(stored.command_line.store) == before


def test_the_error_names_the_remedy(stored: Stored) -> None:
    name = rot(stored.blob(stored.image.config.digest))
    said = stored.command_line("fsck").exited(11)
    assert said.lines[0].startswith(f"blob {name}: is sha256:")
    assert said.err.splitlines()[-1] == "  imgfetch fsck --repair"


def test_rotten_content_is_set_aside(stored: Stored) -> None:
    name = rot(stored.blob(stored.image.layers[0].digest))
    assert stored.found("--repair") == [("blob", name, True), ("image", NAME, False)]
    assert stored.found() == [("image", NAME, False)]
    (aside,) = (stored.command_line.store / "quarantine").iterdir()
    assert aside.name.startswith(stored.image.layers[0].digest.encoded)


def test_what_was_set_aside_can_be_had_again(stored: Stored, tmp_path: Path) -> None:
    rot(stored.blob(stored.image.layers[0].digest))
    stored.found("--repair")
    stored.command_line.forked("pull", f"oci:{tmp_path}/layout:{NAME}").succeeded()
    assert stored.found(status=0) == []


def test_a_layer_that_is_missing_is_damage_to_its_image(stored: Stored) -> None:
    stored.blob(stored.image.layers[1].digest).unlink()
    assert stored.found() == [("image", NAME, False)]


def test_a_platform_that_was_never_fetched_is_not_damage(
    command_line: CommandLine, tmp_path: Path
) -> None:
    """R091: nor is one whose fetch was broken off."""
    builder = ImageBuilder().layer({"a": File("a")})
    images = {str(host_platform()): builder, FOREIGN: builder.layer({"b": File("b")})}
    index = write_index(tmp_path / "layout", images, NAME, attestations=True)
    name = f"oci:{tmp_path}/layout:{NAME}"
    command_line("pull", name).succeeded()
    stored = Stored(command_line, index.images[0])
    assert stored.found(status=0) == []
    command_line("pull", "--all-platforms", name).succeeded()
    stored.blob(index.images[1].layers[1].digest).unlink()
    assert stored.found(status=0) == []
    stored.blob(index.images[0].config.digest).unlink()
    assert stored.found() == [("image", NAME, False)]


def break_record(snapshot: Path) -> None:
    (snapshot / "layer.json").write_bytes(b"")


def lose_tree(snapshot: Path) -> None:
    (snapshot / "fs").rename(snapshot / "elsewhere")


@pytest.mark.parametrize("damage", [break_record, lose_tree])
def test_a_damaged_snapshot_goes_with_those_that_were_built_on_it(
    stored: Stored, damage: Callable[[Path], None]
) -> None:
    """R094."""
    lowest = stored.image.diff_ids[0].encoded
    snapshots = stored.command_line.store / "snapshots/root"
    damage(snapshots / lowest)
    assert stored.found() == [("snapshot", f"snapshots/root/{lowest}", False)]
    repaired = stored.found("--repair", status=0)
    assert repaired[0] == ("snapshot", f"snapshots/root/{lowest}", True)
    assert [kind for kind, _, _ in repaired] == ["snapshot", "snapshot"]
    assert paths(snapshots) == set()
    assert stored.found(status=0) == []


def test_a_damaged_snapshot_that_is_in_use_stays(stored: Stored) -> None:
    import fcntl

    lowest = stored.image.diff_ids[0].encoded
    snapshot = stored.command_line.store / "snapshots/root" / lowest
    break_record(snapshot)
    held = os.open(snapshot, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_SH)
        assert stored.found("--repair") == [("snapshot", f"snapshots/root/{lowest}", False)]
    finally:
        os.close(held)
    assert snapshot.exists()


@pytest.mark.parametrize("raw", [b"", b'{"schemaVersion": 2, "manif', b"[]"])
def test_a_damaged_index_is_set_aside_and_content_stays(stored: Stored, raw: bytes) -> None:
    """R094: after a power loss, on a file system that promised too much."""
    index = stored.command_line.store / "index.json"
    index.write_bytes(raw)
    stored.command_line("images").failed(11)
    assert stored.found() == [("index", "index.json", False)]
    assert stored.found("--repair", status=0) == [("index", "index.json", True)]
    assert json.loads(index.read_bytes())["manifests"] == []
    assert stored.blob(stored.image.layers[0].digest).exists()
    (aside,) = (stored.command_line.store / "quarantine").iterdir()
    assert aside.read_bytes() == raw
    assert stored.found(status=0) == []


def test_an_entry_without_a_name_is_called_by_its_digest(stored: Stored) -> None:
    index = stored.command_line.store / "index.json"
    document = json.loads(index.read_bytes())
    del document["manifests"][0]["annotations"]
    index.write_text(json.dumps(document))
    stored.blob(stored.image.digest).unlink()
    assert stored.found() == [("image", str(stored.image.digest), False)]


def test_content_of_a_read_only_store_counts(stored: Stored, tmp_path: Path) -> None:
    blob = stored.blob(stored.image.layers[0].digest)
    blob.unlink()
    settings = Settings(str(stored.command_line.store), store_ro=(str(tmp_path / "layout"),))
    assert Client(settings).check() == []
