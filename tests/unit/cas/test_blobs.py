"""What can be in a blob's place, and what becomes of it."""

import os
from pathlib import Path

import pytest

from imgfetch.cas.directory import LayoutStore
from imgfetch.errors import (
    StoreCorruptError,
)
from tests.support.incoming import DATA, Incoming
from tests.support.sources import RecordedProgress
from tests.support.store_files import blob_file


class TestWhatIsInAPlace:
    """S120, S121, R094: a name among the blobs is believed only as far as it was checked."""

    def put(self, store: LayoutStore, incoming: Incoming, kind: str, outside: Path) -> None:
        place = blob_file(store, incoming.descriptor)
        place.parent.mkdir(exist_ok=True)
        match kind:
            case "symlink":
                outside.write_bytes(DATA)
                place.symlink_to(outside)
            case "fifo":
                os.mkfifo(place)
            case "foreign":
                place.write_bytes(DATA)
                os.chown(place, 4242, -1)
            case "empty":
                place.touch()
            case _:
                place.write_bytes(DATA[:-1])

    @pytest.mark.parametrize("kind", ["symlink", "fifo", "foreign", "empty", "short"])
    def test_it_is_not_opened(
        self, store: LayoutStore, incoming: Incoming, tmp_path: Path, kind: str
    ) -> None:
        self.put(store, incoming, kind, tmp_path / "outside")
        assert not store.contains(incoming.descriptor)
        with pytest.raises(StoreCorruptError):
            store.open(incoming.descriptor)
        with pytest.raises(StoreCorruptError):
            store.read(incoming.descriptor, 1 << 20)

    @pytest.mark.parametrize("kind", ["symlink", "fifo", "foreign", "empty", "short"])
    def test_it_is_replaced_by_what_belongs_there(
        self,
        store: LayoutStore,
        incoming: Incoming,
        progress: RecordedProgress,
        tmp_path: Path,
        kind: str,
    ) -> None:
        self.put(store, incoming, kind, tmp_path / "outside")
        store.ingest(incoming.content, progress)
        assert store.read(incoming.descriptor, 1 << 20) == DATA

    def test_rotten_content_is_found_when_read_and_fetched_again(
        self, store: LayoutStore, incoming: Incoming, progress: RecordedProgress
    ) -> None:
        store.ingest(incoming.content, progress)
        blob_file(store, incoming.descriptor).write_bytes(bytes(len(DATA)))
        with pytest.raises(StoreCorruptError) as caught:
            store.read(incoming.descriptor, 1 << 20)
        assert caught.value.expected == str(incoming.descriptor.digest)
        store.ingest(incoming.content, progress)
        assert store.read(incoming.descriptor, 1 << 20) == DATA

    def test_size_and_bytes_that_show_up_late_are_looked_at_again(
        self, store: LayoutStore, incoming: Incoming, progress: RecordedProgress
    ) -> None:
        """R108: NFS shows a file of another machine's as empty for a moment."""
        store.ingest(incoming.content, progress)
        place = blob_file(store, incoming.descriptor)
        place.write_bytes(b"")
        assert not store.contains(incoming.descriptor)
        with pytest.raises(StoreCorruptError):
            store.read(incoming.descriptor, 1 << 20)
        place.write_bytes(DATA)
        assert store.contains(incoming.descriptor)
        assert store.read(incoming.descriptor, 1 << 20) == DATA

    def test_an_open_blob_stays_readable_when_it_is_discarded(
        self, store: LayoutStore, incoming: Incoming, progress: RecordedProgress
    ) -> None:
        store.ingest(incoming.content, progress)
        with store.open(incoming.descriptor) as opened:
            store.discard(incoming.descriptor.digest)
            assert not store.contains(incoming.descriptor)
            assert opened.read() == DATA
        store.discard(incoming.descriptor.digest)
