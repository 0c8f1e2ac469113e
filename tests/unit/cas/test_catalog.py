"""What is known of documents is looked up, and never believed when it is damaged."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from imgfetch.cas.catalog import CATALOG, Catalog, Entry
from imgfetch.cas.directory import LayoutStore
from imgfetch.cas.gc import collect
from imgfetch.cas.view import View
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import Digest
from tests.support.contents import File
from tests.support.images import ImageBuilder, WrittenImage, add_document, name_entry


@dataclass(slots=True)
class Watched:
    """A store that tells which documents were read."""

    store: LayoutStore
    read_digests: list[Digest] = field(default_factory=list)

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        self.read_digests.append(descriptor.digest)
        return self.store.read(descriptor, limit)

    def digests(self) -> set[str]:
        return self.store.digests()


@dataclass(frozen=True, slots=True)
class World:
    """A store with an index of one image, and another platform that was not pulled."""

    store: LayoutStore
    image: WrittenImage
    top: Descriptor

    def look(self, *, save: bool = True) -> tuple[list[str], list[Digest]]:
        """Which images there are, and which documents had to be read for that."""
        watched = Watched(self.store)
        catalog = Catalog(self.store.path)
        found = [digest for digest, _, _ in View(watched, catalog).images(Entry.of(self.top))]
        if save:
            catalog.save()
        return found, watched.read_digests

    @property
    def file(self) -> Path:
        return Path(self.store.path, CATALOG)


@pytest.fixture
def world(tmp_path: Path) -> World:
    image = ImageBuilder().layer({"a": File("a")}).layer({"b": File()}).write(tmp_path / "store")
    absent = Descriptor.of(b"absent", mediatype.OCI_MANIFEST)
    index = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_INDEX,
        "manifests": [absent.to_json(), image.descriptor.to_json()],
    }
    top = add_document(tmp_path / "store", index, mediatype.OCI_INDEX)
    name_entry(tmp_path / "store", top, "name")
    (tmp_path / "store").chmod(0o700)
    (tmp_path / "store" / "ingest").mkdir()
    return World(LayoutStore(tmp_path / "store"), image, top)


def test_a_document_is_read_once(world: World) -> None:
    found, read = world.look()
    assert found == [str(world.image.descriptor.digest)]
    assert read == [world.top.digest, world.image.descriptor.digest, world.image.config.digest]
    assert world.look() == (found, [])
    assert list(Path(world.store.path, "ingest").iterdir()) == []


def test_what_is_known_says_the_same_as_the_documents(world: World) -> None:
    entry = Entry.of(world.top)
    fresh, known = (View(world.store, Catalog(world.store.path)) for _ in range(2))
    world.look()
    assert list(known.images(entry)) == list(fresh.images(entry))
    assert known.reach([entry]) == fresh.reach([entry])
    (_, config, blobs), *_ = known.images(entry)
    assert config.platform == "linux/amd64"
    assert list(blobs) == [str(one.digest) for one in (world.image.config, *world.image.layers)]
    assert config.size == sum(blobs.values())
    assert config.chains[0] == world.image.diff_ids[0].encoded
    assert len(config.chains) == 2


@pytest.mark.parametrize("damage", ["bits", "half", "empty", "version", "directory", "pipe"])
def test_a_damaged_catalog_is_made_anew(world: World, damage: str) -> None:
    """R094, R110."""
    found, _ = world.look()
    digest, _, body = world.file.read_bytes().partition(b"\n")
    if damage == "bits":
        world.file.write_bytes(digest + b"\n" + body.replace(b"amd64", b"arm64"))
    elif damage == "version":
        newer = json.dumps([999, {"all": "different"}]).encode()
        world.file.write_bytes(Digest.of(newer).encoded.encode() + b"\n" + newer)
    elif damage in {"half", "empty"}:
        world.file.write_bytes(body[:100] if damage == "half" else b"")
    else:
        world.file.unlink()
        world.file.mkdir() if damage == "directory" else os.mkfifo(world.file)
    again, read = world.look()
    assert again == found
    assert len(read) == 3


def test_without_a_place_to_write_to_everything_is_read(world: World) -> None:
    """R105."""
    Path(world.store.path, "ingest").rmdir()
    assert [len(world.look()[1]) for _ in range(2)] == [3, 3]
    assert not world.file.exists()


def test_a_config_that_came_later_is_seen(world: World) -> None:
    config = Path(world.store.path, "blobs/sha256", world.image.config.digest.encoded)
    content = config.read_bytes()
    config.unlink()
    assert world.look()[0] == []
    config.write_bytes(content)
    assert world.look()[0] == [str(world.image.descriptor.digest)]
    assert world.look()[1] == []
    config.unlink()
    assert world.look()[0] == []


def test_what_is_gone_is_forgotten(world: World) -> None:
    for number in range(10):
        other = ImageBuilder().layer({"a": File(str(number))}).write(Path(world.store.path))
        World(world.store, other, other.descriptor).look()
    assert len(_known(world)) <= 3


def _known(world: World) -> dict[str, object]:
    known: dict[str, object] = json.loads(world.file.read_bytes().partition(b"\n")[2])[1]
    return known


def test_what_is_pulled_while_others_wait_to_delete_stays(world: World) -> None:
    """R102: what is there is looked at when nobody can add to it any more."""
    catalog = Catalog(world.store.path)
    View(world.store, catalog).reach([Entry.of(world.top)])
    later = ImageBuilder().layer({"later": File()}).write(Path(world.store.path), "later")
    assert collect(world.store, catalog=catalog) == 0
    assert all(world.store.contains(layer) for layer in later.layers)
