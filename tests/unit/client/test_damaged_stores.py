"""What is missing in the store, or is no longer what its name says, and how that is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from imgfetch.oci.descriptor import Descriptor
from tests.support.commandline import CommandLine
from tests.support.images import File, ImageBuilder, WrittenIndex, host_platform, write_index

HOST = str(host_platform())
FOREIGN = "linux/s390x" if host_platform().architecture != "s390x" else "linux/amd64"
NAME = "registry.test/app:1"


@dataclass(frozen=True, slots=True)
class Stored:
    """An index with both of its images in the store, and where they came from."""

    command_line: CommandLine
    source: str
    index: WrittenIndex

    def blob(self, descriptor: Descriptor) -> Path:
        return self.command_line.store / "blobs/sha256" / descriptor.digest.encoded

    @property
    def platforms(self) -> list[str]:
        (image,) = self.command_line("images", "--format", "json").succeeded().json
        return [platform["platform"] for platform in image["platforms"]]


@pytest.fixture
def stored(command_line: CommandLine, tmp_path: Path) -> Stored:
    layout = tmp_path / "layout"
    images = {
        HOST: ImageBuilder().layer({"a": File("1")}),
        FOREIGN: ImageBuilder().layer({"a": File("2")}),
    }
    index = write_index(layout, images, NAME)
    command_line("-q", "pull", "--all-platforms", f"oci:{layout}").succeeded()
    return Stored(command_line, f"oci:{layout}", index)


def test_a_digest_alone_finds_an_image_below_an_index(stored: Stored) -> None:
    digest = stored.index.images[0].digest
    (image,) = (
        stored.command_line("inspect", "--format", "json", f"store:registry.test/app@{digest}")
        .succeeded()
        .json
    )
    assert image["digest"] == str(digest)
    assert image["mediaType"] == stored.index.images[0].descriptor.media_type


def test_a_document_that_is_missing_is_named(stored: Stored) -> None:
    config = stored.index.images[0].config
    stored.blob(config).unlink()
    said = stored.command_line("inspect", f"store:{NAME}").failed(11)
    assert str(config.digest) in said.err
    assert "imgfetch pull" in said.err


@pytest.mark.parametrize("which", ["config", "descriptor"])
def test_images_lists_the_platforms_whose_documents_are_there(stored: Stored, which: str) -> None:
    assert stored.platforms == [HOST, FOREIGN]
    stored.blob(getattr(stored.index.images[0], which)).unlink()
    assert stored.platforms == [FOREIGN]
    stored.blob(stored.index.descriptor).unlink()
    assert stored.platforms == []


@pytest.mark.parametrize("which", ["config", "descriptor"])
def test_a_document_that_has_rotted_is_discarded_and_fetched_again(
    stored: Stored, which: str
) -> None:
    """S121."""
    blob = stored.blob(getattr(stored.index.images[0], which))
    raw = blob.read_bytes()
    blob.write_bytes(bytes(len(raw)))
    stored.command_line("-q", "unpack", f"store:{NAME}", "bundle").failed(11)
    assert not blob.exists()
    blob.write_bytes(bytes(len(raw)))
    said = stored.command_line("--progress", "none", "pull", stored.source).succeeded()
    assert "damaged" in said.err
    assert blob.read_bytes() == raw
    stored.command_line("-q", "unpack", f"store:{NAME}", "bundle").succeeded()


def test_a_path_is_no_name_in_the_store(stored: Stored) -> None:
    words = ["-q", "unpack", "--pull", "never", stored.source, "bundle"]
    assert stored.source in stored.command_line(*words).failed(11).err
    stored.command_line("-q", "rmi", stored.source).failed(11)
