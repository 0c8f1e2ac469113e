"""Stores that are only read, behind one's own."""

import os
from pathlib import Path

import pytest

from imgfetch.cas.directory import LayoutStore
from imgfetch.cas.gc import collect
from imgfetch.cas.layered import LayeredStore
from imgfetch.cas.reader import LayoutReader
from imgfetch.errors import StoreCorruptError, StoreError
from imgfetch.oci.descriptor import Descriptor
from tests.support.contents import File
from tests.support.images import ImageBuilder
from tests.support.incoming import DATA, Incoming
from tests.support.mounts import read_only
from tests.support.sources import RecordedProgress
from tests.support.store_files import blob_file
from tests.support.trees import paths, snapshot_tree

LIMIT = 1 << 20
NAME = "registry.test/shared:1"


@pytest.fixture
def shared(tmp_path: Path, incoming: Incoming) -> LayoutStore:
    """A store that others are going to read."""
    store = LayoutStore(tmp_path / "shared")
    store.ingest(incoming.content, RecordedProgress())
    store.tag(NAME, incoming.descriptor)
    return store


@pytest.fixture
def own(tmp_path: Path) -> LayoutStore:
    return LayoutStore(tmp_path / "own")


def layered(own: LayoutStore, *others: LayoutStore) -> LayeredStore:
    return LayeredStore(own, [LayoutReader(other.path) for other in others])


def test_content_is_used_in_place(
    own: LayoutStore, shared: LayoutStore, incoming: Incoming, progress: RecordedProgress
) -> None:
    both = layered(own, shared)
    incoming.offsets.clear()
    both.ingest(incoming.content, progress)
    assert incoming.offsets == []
    assert progress.stages == [(incoming.descriptor.digest, "present")]
    assert both.contains(incoming.descriptor)
    assert both.find(incoming.descriptor.digest) is not None
    assert both.read(incoming.descriptor, LIMIT) == DATA
    with both.open(incoming.descriptor) as blob:
        assert blob.read() == DATA
    assert both.lookup(NAME) == incoming.descriptor
    assert both.entries() == [(NAME, incoming.descriptor)]
    assert not Path(own.path).exists()


@pytest.mark.parametrize("without", ["locks", "ingest"])
def test_nothing_is_written_or_locked_there(
    own: LayoutStore,
    shared: LayoutStore,
    incoming: Incoming,
    progress: RecordedProgress,
    without: str,
) -> None:
    """A plain layout will do, on a file system that can't be written to."""
    directory = Path(shared.path, without)
    for path in directory.iterdir():
        path.unlink()
    directory.rmdir()
    both = layered(own, shared)
    with read_only(Path(shared.path)):
        before = snapshot_tree(Path(shared.path))
        with both.lease():
            both.ingest(incoming.content, progress)
            other = Incoming.of(b"other")
            both.ingest(other.content, progress)
            both.tag("registry.test/own:1", other.descriptor)
            assert both.read(incoming.descriptor, LIMIT) == DATA
        assert snapshot_tree(Path(shared.path)) == before
    assert [name for name, _ in both.entries()] == ["registry.test/own:1", NAME]


def test_it_may_belong_to_anybody_and_be_open(
    own: LayoutStore, shared: LayoutStore, incoming: Incoming
) -> None:
    """A memory stick has neither owners nor modes."""
    for directory, names, files in os.walk(shared.path):
        for name in (*names, *files, "."):
            os.chown(f"{directory}/{name}", 4242, 4242)
            os.chmod(f"{directory}/{name}", 0o777)  # noqa: S103 - what this is about
    both = layered(own, shared)
    assert both.read(incoming.descriptor, LIMIT) == DATA
    assert both.lookup(NAME) == incoming.descriptor


@pytest.mark.parametrize("kind", ["symlink", "fifo"])
def test_what_is_no_plain_file_there_is_not_opened(
    own: LayoutStore, shared: LayoutStore, incoming: Incoming, tmp_path: Path, kind: str
) -> None:
    """S120."""
    place = blob_file(shared, incoming.descriptor)
    place.rename(tmp_path / "outside")
    if kind == "fifo":
        os.mkfifo(place)
    else:
        place.symlink_to(tmp_path / "outside")
    both = layered(own, shared)
    assert not both.contains(incoming.descriptor)
    with pytest.raises(StoreError):
        both.open(incoming.descriptor)
    with pytest.raises(StoreCorruptError):
        LayoutReader(shared.path).open(incoming.descriptor)


def test_damaged_content_is_fetched_into_ones_own(
    own: LayoutStore, shared: LayoutStore, incoming: Incoming, progress: RecordedProgress
) -> None:
    """S121."""
    blob_file(shared, incoming.descriptor).write_bytes(bytes(len(DATA)))
    before = snapshot_tree(Path(shared.path))
    warnings: list[str] = []
    both = LayeredStore(own, [LayoutReader(shared.path)], warn=warnings.append)
    with pytest.raises(StoreCorruptError):
        both.read(incoming.descriptor, LIMIT)
    assert str(incoming.descriptor.digest) in warnings[0]
    assert shared.path in warnings[0]
    assert not both.contains(incoming.descriptor)
    both.ingest(incoming.content, progress)
    assert both.read(incoming.descriptor, LIMIT) == DATA
    assert own.contains(incoming.descriptor)
    assert snapshot_tree(Path(shared.path)) == before


def test_what_is_discarded_is_removed_from_ones_own_and_else_not_looked_at(
    own: LayoutStore, shared: LayoutStore, incoming: Incoming, progress: RecordedProgress
) -> None:
    own.ingest(incoming.content, progress)
    both = layered(own, shared)
    both.discard(incoming.descriptor.digest)
    assert not own.contains(incoming.descriptor)
    assert both.contains(incoming.descriptor)
    both.discard(incoming.descriptor.digest)
    assert not both.contains(incoming.descriptor)
    assert both.find(incoming.descriptor.digest) is None
    assert shared.contains(incoming.descriptor)
    both.discard(incoming.descriptor.digest)


def test_names_of_ones_own_hide_others(
    own: LayoutStore, shared: LayoutStore, tmp_path: Path, progress: RecordedProgress
) -> None:
    mine, theirs = Incoming.of(b"mine"), Incoming.of(b"theirs")
    third = LayoutStore(tmp_path / "third")
    for store, incoming in ((own, mine), (third, theirs)):
        store.ingest(incoming.content, progress)
        store.tag(NAME, incoming.descriptor)
        store.tag(f"{NAME}-{incoming.data.decode()}", incoming.descriptor)
    both = layered(own, shared, third)
    assert both.lookup(NAME) == mine.descriptor
    assert [name for name, _ in both.entries()] == [NAME, f"{NAME}-mine", f"{NAME}-theirs"]
    assert both.untag(NAME) == mine.descriptor
    found = both.lookup(NAME)
    assert found is not None
    assert found.size == len(DATA)


def test_a_name_there_can_not_be_removed(own: LayoutStore, shared: LayoutStore) -> None:
    both = layered(own, shared)
    with pytest.raises(StoreError, match=rf"{NAME} is in the read-only store {shared.path}"):
        both.untag(NAME)
    assert both.untag("registry.test/unknown:1") is None


def test_a_store_that_is_not_there_is_empty(
    own: LayoutStore, incoming: Incoming, tmp_path: Path
) -> None:
    both = LayeredStore(own, [LayoutReader(tmp_path / "unplugged")])
    assert not both.contains(incoming.descriptor)
    assert both.entries() == []
    assert paths(tmp_path) == set()


def test_what_a_document_there_leads_to_is_not_collected(
    own: LayoutStore, tmp_path: Path, progress: RecordedProgress
) -> None:
    """The manifest is in the read-only store, one of its layers here."""
    image = ImageBuilder().layer({"a": File("a")}).write(tmp_path / "layout", NAME)
    layer = (tmp_path / "layout/blobs/sha256" / image.layers[0].digest.encoded).read_bytes()
    (tmp_path / "layout/blobs/sha256" / image.layers[0].digest.encoded).unlink()
    both = LayeredStore(own, [LayoutReader(tmp_path / "layout")])
    both.ingest(Incoming.of(layer).content, progress)
    own.tag("registry.test/mine:1", image.descriptor)
    assert collect(own, content=both) == 0
    assert own.contains(image.layers[0])
    assert collect(own) == image.layers[0].size


def test_only_what_is_nowhere_needs_room(
    own: LayoutStore,
    shared: LayoutStore,
    incoming: Incoming,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    monkeypatch.setattr("imgfetch.fs.space.require", lambda _path, needed: asked.append(needed))
    both = layered(own, shared)
    both.require_space([incoming.descriptor])
    assert asked == []
    both.require_space([incoming.descriptor, Descriptor.of(b"12345", "")])
    assert asked == [5]


def test_last_use_is_remembered_for_ones_own_only(
    own: LayoutStore, shared: LayoutStore, incoming: Incoming, progress: RecordedProgress
) -> None:
    both = layered(own, shared)
    before = snapshot_tree(Path(shared.path))
    both.mark_used(incoming.descriptor.digest)
    assert both.last_used(incoming.descriptor.digest) is None
    assert snapshot_tree(Path(shared.path)) == before
