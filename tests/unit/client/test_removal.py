"""Taking names away, and what is freed by it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from imgfetch.cas.directory import LayoutStore
from imgfetch.client import Client, Settings
from imgfetch.oci.digest import Digest
from tests.support.commandline import CommandLine
from tests.support.forked import forked
from tests.support.images import Dir, File, ImageBuilder, WrittenImage
from tests.support.sources import RecordedProgress
from tests.support.trees import paths

BASE = ImageBuilder().layer({"d": Dir(), "d/base": File("base")})


@dataclass(frozen=True, slots=True)
class Two:
    """Two images in the store that share their lowest layer, unpacked."""

    command_line: CommandLine
    one: WrittenImage
    two: WrittenImage

    @property
    def blobs(self) -> set[str]:
        return {path.name for path in (self.command_line.store / "blobs/sha256").iterdir()}

    @property
    def snapshots(self) -> set[str]:
        return {path.name for path in (self.command_line.store / "snapshots/root").iterdir()}


def blobs_of(*images: WrittenImage) -> set[str]:
    return {
        descriptor.digest.encoded
        for image in images
        for descriptor in (image.descriptor, image.config, *image.layers)
    }


def chains_of(*images: WrittenImage) -> set[str]:
    names: set[str] = set()
    for image in images:
        chain: Digest | None = None
        for diff_id in image.diff_ids:
            chain = diff_id if chain is None else Digest.of(f"{chain} {diff_id}".encode())
            names.add(chain.encoded)
    return names


@pytest.fixture
def two(command_line: CommandLine, tmp_path: Path) -> Two:
    layout = tmp_path / "layout"
    one = BASE.layer({"d/one": File("1")}).write(layout, "registry.test/one:1")
    other = BASE.layer({"d/two": File("2")}).write(layout, "registry.test/two:1")
    names = [f"oci:{layout}:registry.test/{name}:1" for name in ("one", "two")]
    command_line.forked("pull", "--unpack", *names).succeeded()
    return Two(command_line, one, other)


def test_pull_unpack_leaves_a_snapshot_of_every_layer(two: Two) -> None:
    assert two.blobs == blobs_of(two.one, two.two)
    assert two.snapshots == chains_of(two.one, two.two)


@pytest.mark.parametrize("by", ["tag", "digest"])
def test_what_an_image_alone_kept_is_freed_and_what_is_shared_stays(two: Two, by: str) -> None:
    name = "registry.test/one"
    reference = f"{name}:1" if by == "tag" else f"{name}@{two.one.digest}"
    assert two.command_line.forked("rmi", reference).succeeded().lines == ["registry.test/one:1"]
    assert two.blobs == blobs_of(two.two)
    assert two.snapshots == chains_of(two.two)
    two.command_line.forked("rmi", "registry.test/two:1").succeeded()
    assert two.blobs == two.snapshots == set()


def test_a_digest_takes_every_name_of_its_repository_and_no_other(two: Two) -> None:
    store = LayoutStore(two.command_line.store)
    descriptor = store.lookup("registry.test/one:1")
    assert descriptor is not None
    for name in ("registry.test/one:2", "registry.test/one/deeper:1", "registry.test/other:1"):
        store.tag(name, descriptor)
    said = two.command_line.forked("rmi", f"registry.test/one@{two.one.digest}").succeeded()
    assert said.lines == ["registry.test/one:1", "registry.test/one:2"]
    assert two.blobs == blobs_of(two.one, two.two)
    two.command_line.forked("rmi", f"registry.test/two@{two.one.digest}").failed(11)


def test_an_unknown_name_frees_what_those_before_it_kept(two: Two) -> None:
    said = two.command_line.forked("rmi", "registry.test/one:1", "registry.test/none:1").exited(11)
    assert said.lines == ["registry.test/one:1"]
    assert two.blobs == blobs_of(two.two)
    assert two.snapshots == chains_of(two.two)


def test_snapshots_of_other_mappings_and_flat_ones_are_freed_too(two: Two) -> None:
    """Copies are made where overlayfs can't be had; others in user namespaces."""
    snapshots = two.command_line.store / "snapshots"
    top = min(chains_of(two.one) - chains_of(two.two))
    for name in ("0123456789abcdef", "root"):
        made = snapshots / name / f"flat-{top}"
        (made / "fs").mkdir(parents=True)
        (made / "layer.json").write_text('{"parent": null, "layers": []}')
    two.command_line.forked("rmi", "registry.test/one:1").succeeded()
    assert two.snapshots == chains_of(two.two)
    assert list((snapshots / "0123456789abcdef").iterdir()) == []


def test_content_in_use_is_not_freed(two: Two) -> None:
    """A pull may be about to name what has no name yet."""
    with LayoutStore(two.command_line.store).lease():
        said = two.command_line.forked("rmi", "registry.test/one:1").succeeded()
    assert "nothing was freed" in said.err
    assert two.blobs == blobs_of(two.one, two.two)
    store = str(two.command_line.store)
    assert forked(lambda: collected(store)) == []
    assert two.blobs == blobs_of(two.two)


def test_a_pinned_name_is_removed_by_hand_only(two: Two, tmp_path: Path) -> None:
    command_line, name = two.command_line, "registry.test/one:1"
    assert command_line("tag", "--pin", name).succeeded().lines == [name]
    said = command_line("images", "--format", "json").succeeded().json
    assert {image["name"]: image["pinned"] for image in said} == {
        name: True,
        "registry.test/two:1": False,
    }
    assert "is pinned" in command_line("rmi", name).failed(16).err
    removed = command_line.forked("prune", "--max-size", "0").succeeded().lines[:-1]
    assert removed == ["- registry.test/two:1"]
    (tmp_path / "imgfetch.lock").write_text("version = 1\n")
    assert command_line.forked("sync", "--prune").succeeded().out == ""
    assert two.blobs == blobs_of(two.one)
    assert two.snapshots == chains_of(two.one)
    # What is tagged anew is pinned if that is said.
    command_line("tag", name, "registry.test/new:1").succeeded()
    command_line("tag", "--pin", name, "registry.test/new:2").succeeded()
    command_line("tag", "--unpin", name).succeeded()
    said = command_line("images", "--format", "json").succeeded().json
    assert [image["name"] for image in said if image["pinned"]] == ["registry.test/new:2"]
    command_line.forked("rmi", name, "registry.test/new:1").succeeded()
    command_line.forked("rmi", "--force", "registry.test/new:2").succeeded()
    assert two.blobs == two.snapshots == set()
    command_line("tag", "--pin", name).failed(11)
    for wrong in ([name], ["--pin", "--unpin", name]):
        command_line("tag", *wrong).exited(2)


def collected(store: str) -> list[str]:
    """What a program is told when it has everything freed that no name leads to."""
    progress = RecordedProgress()
    Client(Settings(store), progress=progress).collect()
    return progress.warnings


def test_a_store_that_is_not_there_stays_so(tmp_path: Path) -> None:
    assert Client(Settings(str(tmp_path / "store"))).images() == []
    assert forked(lambda: collected(str(tmp_path / "store"))) == []
    assert not (tmp_path / "store").exists()


def test_an_image_of_another_platform_is_unpacked_as_it_is(
    command_line: CommandLine, tmp_path: Path
) -> None:
    layout = tmp_path / "layout"
    written = BASE.write(layout, "registry.test/far:1", "linux/s390x")
    words = ["pull", "--platform", "linux/s390x", "--unpack", f"oci:{layout}"]
    command_line.forked(*words).succeeded()
    tree = command_line.store / "snapshots" / "root" / chains_of(written).pop() / "fs"
    assert paths(tree) == {"d", "d/base"}
