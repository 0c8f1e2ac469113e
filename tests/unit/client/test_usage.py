"""What images take, share and keep, and when they were used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from imgfetch.cas.directory import LayoutStore
from imgfetch.client import Client, Settings
from imgfetch.workflow.evict import Limits
from tests.support.commandline import CommandLine
from tests.support.images import Dir, File, ImageBuilder, WrittenImage

BASE = ImageBuilder().layer({"d": Dir(), "d/base": File("base" * 1000)})
ONE, TWO = "registry.test/one:1", "registry.test/two:1"
YEAR_2001 = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Two:
    """Two images in the store that share their lowest layer; the first one's layers unpacked."""

    command_line: CommandLine
    layout: Path
    one: WrittenImage
    two: WrittenImage

    @property
    def client(self) -> Client:
        return Client(Settings(str(self.command_line.store)))

    def listed(self) -> dict[str, Any]:
        images = self.command_line("images", "--format", "json").succeeded().json
        return {image["name"]: image for image in images}

    def age(self, image: WrittenImage, then: int = YEAR_2001) -> None:
        blob = self.command_line.store / "blobs/sha256" / image.digest.encoded
        os.utime(blob, (then, then))


def blobs(image: WrittenImage) -> int:
    return sum(one.size for one in (image.config, *image.layers))


@pytest.fixture
def two(command_line: CommandLine, tmp_path: Path) -> Two:
    layout = tmp_path / "layout"
    one = BASE.layer({"d/one": File("1")}).write(layout, ONE)
    other = BASE.layer({"d/two": File("2")}).write(layout, TWO)
    command_line.forked("pull", "--unpack", f"oci:{layout}:{ONE}").succeeded()
    command_line("pull", f"oci:{layout}:{TWO}").succeeded()
    return Two(command_line, layout, one, other)


def test_shared_bytes_are_those_that_another_image_has_too(two: Two) -> None:
    listed = two.listed()
    for name, image in ((ONE, two.one), (TWO, two.two)):
        assert listed[name]["size"] == blobs(image)
        assert listed[name]["sharedSize"] == two.one.layers[0].size


def test_another_name_of_one_image_shares_nothing_with_it(two: Two) -> None:
    two.command_line("rmi", TWO).succeeded()
    two.command_line("tag", ONE, "registry.test/alias:1").succeeded()
    assert {image["sharedSize"] for image in two.listed().values()} == {0}


def test_names_are_pinned_on_request(two: Two) -> None:
    two.command_line.forked("tag", "--pin", ONE).succeeded()
    assert {name: image["pinned"] for name, image in two.listed().items()} == {
        ONE: True,
        TWO: False,
    }
    two.command_line.forked("tag", "--unpin", ONE).succeeded()
    assert not any(image["pinned"] for image in two.listed().values())


@pytest.mark.parametrize("verb", ["pull", "save", "unpack"])
def test_using_an_image_is_remembered(two: Two, tmp_path: Path, verb: str) -> None:
    two.age(two.one)
    assert two.listed()[ONE]["lastUsed"] == "2001-09-09T01:46:40Z"
    arguments: dict[str, list[str | Path]] = {
        "pull": ["--policy", "missing", ONE],
        "save": ["-o", tmp_path / "saved.tar", ONE],
        "unpack": [ONE, tmp_path / "bundle"],
    }
    two.command_line.forked(verb, *arguments[verb]).succeeded()
    assert two.listed()[ONE]["lastUsed"] > "2020"


def test_looking_at_an_image_is_no_use_of_it(two: Two) -> None:
    two.age(two.one)
    for arguments in (["inspect", ONE], ["history", ONE], ["images"], ["fsck"], ["df"]):
        two.command_line("--offline", *arguments).succeeded()
    two.command_line("prune").succeeded()
    assert two.listed()[ONE]["lastUsed"] == "2001-09-09T01:46:40Z"


def test_df_tells_what_there_is_and_what_is_not_needed(two: Two) -> None:
    before = two.command_line("df", "--format", "json").succeeded().json
    assert before["store"] == str(two.command_line.store)
    assert before["free"] > 0
    assert before["blobs"]["count"] == 7
    assert before["snapshots"]["count"] == 2
    assert before["blobs"]["reclaimable"] == before["snapshots"]["reclaimable"] == 0
    partial = two.command_line.store / "ingest" / f"sha256-{'0' * 64}.partial"
    partial.write_bytes(b"12345")
    LayoutStore(two.command_line.store).untag(ONE)
    after = two.command_line("df", "--format", "json").succeeded().json
    own = two.one.descriptor.size + blobs(two.one) - two.one.layers[0].size
    assert after["blobs"] == {**before["blobs"], "reclaimable": own}
    assert after["snapshots"]["reclaimable"] == before["snapshots"]["size"] // 2
    assert after["partial"] == {"count": 1, "size": 5, "reclaimable": 0}
    assert [line.split("  ")[0] for line in two.command_line("df").succeeded().lines][1:4] == [
        "blobs", "unpacked layers", "partial downloads",
    ]  # fmt: skip


def test_df_of_a_store_that_is_not_there(command_line: CommandLine) -> None:
    usage = command_line("df", "--format", "json").succeeded().json
    assert usage["blobs"] == {"count": 0, "size": 0, "reclaimable": 0}
    assert usage["free"] is None
    assert not command_line.store.exists()


def test_a_dry_run_says_what_is_freed_then(two: Two) -> None:
    two.age(two.one)
    limits = Limits(used_since=YEAR_2001 + 1)
    expected = two.client.prune(limits, dry_run=True)
    assert expected.names == (ONE,)
    assert expected.blobs > 0
    assert len(expected.snapshots) == 1
    assert set(two.listed()) == {ONE, TWO}
    assert two.client.prune(limits) == expected
    assert set(two.listed()) == {TWO}
    assert two.client.check() == []


def test_entries_of_other_tools_are_not_given_up(two: Two) -> None:
    """R103: entries without a name, and what is no image."""
    from tests.support.images import add_document, name_entry

    artifact = add_document(
        two.command_line.store,
        {
            "schemaVersion": 2,
            "config": {
                "mediaType": "application/x",
                "digest": str(two.one.digest),
                "size": 1,
            },
            "layers": [],
        },
        "application/vnd.oci.image.manifest.v1+json",
    )
    name_entry(two.command_line.store, artifact, "chart:1")
    pruned = two.client.prune(Limits(size=0))
    assert pruned.names == (ONE, TWO)
    assert list(two.listed()) == ["chart:1"]


def test_the_media_type_of_what_is_found_by_digest_is_known(two: Two) -> None:
    """Nothing in ``index.json`` says it any more."""
    LayoutStore(two.command_line.store).untag(ONE)
    two.command_line("tag", f"registry.test/one@{two.one.digest}", "again:1").succeeded()
    assert two.listed()["docker.io/library/again:1"]["mediaType"] == (
        "application/vnd.oci.image.manifest.v1+json"
    )


def test_history_accounts_for_every_layer(command_line: CommandLine, tmp_path: Path) -> None:
    """Steps that made no layer, and layers that no step tells of."""
    builder = BASE.layer({"b": File("b")}).layer({"c": File("c")})
    steps = [
        {"created_by": "/bin/sh -c #(nop)  ENV A=1", "empty_layer": True},
        {"created": "2020-01-01T00:00:00Z", "created_by": "COPY . /", "comment": "buildkit"},
    ]
    image = builder.config(history=steps).write(tmp_path / "layout", ONE)
    name = f"oci:{tmp_path}/layout:{ONE}"
    shown = command_line("history", "--format", "json", name).succeeded().json
    assert [step["layer"] for step in shown] == [None, *(str(one.digest) for one in image.layers)]
    assert [step["size"] for step in shown] == [0, *(one.size for one in image.layers)]
    assert [step["createdBy"] for step in shown] == [
        "/bin/sh -c #(nop)  ENV A=1", "COPY . /", "", "",
    ]  # fmt: skip
    table = command_line("history", name).succeeded().lines
    assert len(table) == 5
    assert not command_line.store.exists()
