"""Deletion: all that nothing leads to, and nothing else."""

import errno
import fcntl
import json
import os
import threading
import time
from pathlib import Path

import pytest

from imgfetch.cas.catalog import Catalog
from imgfetch.cas.directory import LayoutStore
from imgfetch.cas.gc import collect, reachable
from imgfetch.cas.view import View
from imgfetch.errors import StoreCorruptError, StoreError, StoreLockedError
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from tests.support.contents import File
from tests.support.images import ImageBuilder, add_blob, add_document, name_entry, write_index
from tests.support.incoming import Incoming
from tests.support.sources import RecordedProgress
from tests.support.trees import paths, snapshot_tree


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """A layout that other tools write to, which becomes the store."""
    return tmp_path / "store"


@pytest.fixture
def store(layout: Path) -> LayoutStore:
    add_blob(layout, b"dangling", "")
    layout.chmod(0o700)
    return LayoutStore(layout)


def builder(text: str) -> ImageBuilder:
    return ImageBuilder().layer({"shared": File("shared")}).layer({"own": File(text)})


def blobs(layout: Path) -> set[str]:
    return {path.split("/")[-1] for path in paths(layout) if path.startswith("blobs/sha256/")}


def test_a_store_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    assert collect(LayoutStore(tmp_path / "store")) == 0
    assert paths(tmp_path) == set()


def test_what_has_a_name_stays_with_all_below(layout: Path, store: LayoutStore) -> None:
    image = builder("a").write(layout, "a")
    assert collect(store) == len(b"dangling")
    parts = (image.descriptor, image.config, *image.layers)
    assert blobs(layout) == {part.digest.encoded for part in parts}


def test_what_lost_its_name_goes_and_what_is_shared_stays(layout: Path, store: LayoutStore) -> None:
    kept, dropped = builder("a").write(layout, "a"), builder("b").write(layout, "b")
    store.untag("b")
    own = (dropped.descriptor, dropped.config, dropped.layers[1])
    assert collect(store) == sum(part.size for part in own) + len(b"dangling")
    assert store.contains(kept.layers[0])
    assert not any(store.contains(part) for part in own)


def test_an_entry_without_a_name_keeps_its_content(layout: Path, store: LayoutStore) -> None:
    """R103: referrers have none, for example."""
    image = builder("a").write(layout, "a")
    index = json.loads((layout / "index.json").read_bytes())
    del index["manifests"][0]["annotations"]
    (layout / "index.json").write_text(json.dumps(index))
    collect(store)
    assert store.contains(image.layers[0])


def test_a_sparse_index_keeps_what_is_there_of_it(layout: Path, store: LayoutStore) -> None:
    index = write_index(layout, {"linux/amd64": builder("a"), "linux/arm64": builder("b")}, "x")
    present, absent = index.images
    (layout / "blobs/sha256" / absent.digest.encoded).unlink()
    collect(store)
    assert store.contains(index.descriptor)
    assert all(store.contains(part) for part in (present.config, *present.layers))
    # Nobody can tell any more that these belong to the absent manifest.
    assert not store.contains(absent.layers[1])


def test_indexes_of_indexes_are_followed(layout: Path, store: LayoutStore) -> None:
    """S040: each once, however often it is listed."""
    image = builder("a").write(layout)
    inner = image.descriptor
    for _ in range(20):
        entries = [inner.to_json()] * 5
        inner = add_document(
            layout, {"schemaVersion": 2, "manifests": entries}, mediatype.OCI_INDEX
        )
    name_entry(layout, inner, "x")
    assert len(reachable(store, View(store, Catalog(store.path)))) == 20 + 4
    collect(store)
    assert store.contains(image.layers[1])


def test_a_blob_with_a_name_of_its_own_stays(layout: Path, store: LayoutStore) -> None:
    blob = add_blob(layout, b"something", "application/x-something")
    name_entry(layout, blob, "x")
    collect(store)
    assert blobs(layout) == {blob.digest.encoded}


def test_unknown_files_are_left_alone(layout: Path, store: LayoutStore, tmp_path: Path) -> None:
    """R103, S127: never followed, never a directory, never another algorithm's."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / ("0" * 64)).touch()
    (layout / "blobs/sha256/README").touch()
    (layout / "blobs/sha256" / ("a" * 64)).mkdir()
    (layout / "blobs/sha256" / ("b" * 63)).touch()
    (layout / "blobs/blake3").mkdir()
    (layout / "blobs/blake3" / ("c" * 64)).touch()
    (layout / "blobs/sha512").symlink_to(outside)
    (layout / "blobs/sha256" / ("d" * 64)).symlink_to(outside)
    (layout / "mine").touch()
    before = paths(tmp_path)
    collect(store)
    digest = Descriptor.of(b"dangling", "").digest.encoded
    gone = {f"store/blobs/sha256/{digest}", f"store/blobs/sha256/{'d' * 64}"}
    made = {"store/ingest", "store/locks", "store/locks/content.lock"}
    assert paths(tmp_path) == before - gone | made


def test_a_layout_whose_blobs_are_elsewhere_keeps_them(
    layout: Path, store: LayoutStore, tmp_path: Path
) -> None:
    """S127: layouts share blobs by links, and the others' names are not here."""
    (layout / "blobs").rename(tmp_path / "shared")
    (layout / "blobs").symlink_to(tmp_path / "shared")
    before = snapshot_tree(tmp_path / "shared")
    assert collect(store) == 0
    assert snapshot_tree(tmp_path / "shared") == before


class TestLeftovers:
    """R091: what a killed process leaves is cleaned up."""

    @pytest.fixture
    def ingest(self, layout: Path, store: LayoutStore) -> Path:
        with store.lease():
            return layout / "ingest"

    def test_temporary_files_go(self, layout: Path, store: LayoutStore, ingest: Path) -> None:
        for path in (ingest / ".index.json.0123.tmp", layout / ".oci-layout.4567.tmp"):
            path.write_bytes(b"half")
        assert collect(store) == 2 * len(b"half") + len(b"dangling")
        assert os.listdir(ingest) == []
        assert not (layout / ".oci-layout.4567.tmp").exists()

    def test_a_young_partial_file_stays_and_an_old_one_goes(
        self, store: LayoutStore, ingest: Path
    ) -> None:
        for name, age in (("sha256-1.partial", 3600), ("sha256-2.partial", 8 * 24 * 3600)):
            (ingest / name).write_bytes(b"half")
            then = time.time() - age
            os.utime(ingest / name, (then, then))
        collect(store)
        assert os.listdir(ingest) == ["sha256-1.partial"]
        collect(store, partial_age=0)
        assert os.listdir(ingest) == []


class TestInUse:
    """R102: what a pull or a run needs and has no name yet is not deleted."""

    def test_a_lease_keeps_everything(self, layout: Path, store: LayoutStore) -> None:
        with store.lease():
            with pytest.raises(StoreLockedError):
                collect(store)
            with store.lease(), pytest.raises(StoreLockedError):
                collect(store)
        assert blobs(layout)
        assert collect(store) == len(b"dangling")

    def test_a_transfer_keeps_everything(self, layout: Path, store: LayoutStore) -> None:
        incoming = Incoming.of(bytes(10_000))
        refused: list[StoreLockedError] = []

        def collect_meanwhile(_offset: int) -> None:
            try:
                collect(store)
            except StoreLockedError as error:
                refused.append(error)

        incoming.before_chunk = collect_meanwhile
        store.ingest(incoming.content, RecordedProgress())
        assert refused
        assert store.contains(incoming.descriptor)

    def test_collecting_waits_for_a_lease_to_end(self, store: LayoutStore) -> None:
        freed: list[int] = []
        thread = threading.Thread(target=lambda: freed.append(collect(store, timeout=30)))
        with store.lease():
            thread.start()
            thread.join(0.05)
            assert not freed
        thread.join()
        assert freed == [len(b"dangling")]


class TestDoubt:
    """Where nobody can tell what is needed, nothing is deleted."""

    def test_an_unreadable_manifest(self, layout: Path, store: LayoutStore) -> None:
        broken = add_blob(layout, b"{", mediatype.OCI_MANIFEST)
        name_entry(layout, broken, "x")
        with pytest.raises(StoreCorruptError, match="leads to"):
            collect(store)
        assert len(blobs(layout)) == 2

    def test_a_manifest_of_schema_1(self, layout: Path, store: LayoutStore) -> None:
        old = add_document(layout, {"schemaVersion": 1, "fsLayers": []}, "application/json")
        name_entry(layout, old, "x")
        with pytest.raises(StoreCorruptError, match="leads to"):
            collect(store)

    def test_an_index_with_digests_of_other_kinds(self, layout: Path, store: LayoutStore) -> None:
        index = json.loads((layout / "index.json").read_bytes())
        index["manifests"].append({"digest": "blake3:" + "0" * 64, "size": 1})
        (layout / "index.json").write_text(json.dumps(index))
        with pytest.raises(StoreCorruptError, match="unknown kinds"):
            collect(store)
        assert len(blobs(layout)) == 1

    def test_a_file_system_without_locks(
        self, layout: Path, store: LayoutStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """R101, R102: content may be in use, and nobody would know."""

        def flock(_fd: int, _operation: int) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(fcntl, "flock", flock)
        with pytest.raises(StoreError, match="in use"):
            collect(store)
        assert len(blobs(layout)) == 1

    def test_a_damaged_index(self, layout: Path, store: LayoutStore) -> None:
        (layout / "index.json").write_bytes(b"")
        with pytest.raises(StoreCorruptError):
            collect(store)
        assert len(blobs(layout)) == 1
