"""What every content store does, whatever it keeps content in."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from imgfetch.cas.directory import LayoutStore
from imgfetch.cas.layered import LayeredStore
from imgfetch.cas.memory import MemoryStore
from imgfetch.cas.reader import LayoutReader
from imgfetch.errors import (
    DigestMismatchError,
    DocumentError,
    NetworkError,
    NotInStoreError,
    SizeMismatchError,
    StoreCorruptError,
)
from imgfetch.interfaces import ContentStore
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import Digest
from tests.support.incoming import Incoming
from tests.support.sources import RecordedProgress

LIMIT = 1 << 20


@pytest.fixture(params=["directory", "memory", "layered"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ContentStore:
    stores: dict[str, Callable[[], ContentStore]] = {
        "directory": lambda: LayoutStore(tmp_path / "store"),
        "memory": MemoryStore,
        "layered": lambda: LayeredStore(
            LayoutStore(tmp_path / "store"), [LayoutReader(tmp_path / "other")]
        ),
    }
    return stores[request.param]()


@pytest.fixture
def progress() -> RecordedProgress:
    return RecordedProgress()


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 100_000])
def test_what_went_in_comes_out(store: ContentStore, progress: RecordedProgress, size: int) -> None:
    incoming = Incoming.of(bytes(range(256)) * (size // 256 + 1))
    incoming = Incoming.of(incoming.data[:size])
    assert not store.contains(incoming.descriptor)
    store.ingest(incoming.content, progress)
    assert store.contains(incoming.descriptor)
    assert store.read(incoming.descriptor, LIMIT) == incoming.data
    with store.open(incoming.descriptor) as blob:
        assert blob.read() == incoming.data
    assert incoming.ended == len(incoming.offsets) == 1


def test_sha512_is_as_good(store: ContentStore, progress: RecordedProgress) -> None:
    data = b"content"
    incoming = Incoming(data, Descriptor("", Digest.of(data, "sha512"), len(data)))
    store.ingest(incoming.content, progress)
    assert store.read(incoming.descriptor, LIMIT) == data


def test_an_empty_store_has_nothing(store: ContentStore) -> None:
    descriptor = Descriptor.of(b"content", "")
    assert not store.contains(descriptor)
    assert store.find(descriptor.digest) is None
    with pytest.raises(NotInStoreError, match=str(descriptor.digest)):
        store.read(descriptor, LIMIT)
    with pytest.raises(NotInStoreError, match=str(descriptor.digest)):
        store.open(descriptor)


def test_what_is_there_is_found_by_its_digest(
    store: ContentStore, progress: RecordedProgress
) -> None:
    incoming = Incoming.of(b"content")
    store.ingest(incoming.content, progress)
    assert store.find(incoming.descriptor.digest) == Descriptor(
        "", incoming.descriptor.digest, len(incoming.data)
    )


def test_what_is_there_is_not_transferred_again(
    store: ContentStore, progress: RecordedProgress
) -> None:
    incoming = Incoming.of(b"content")
    store.ingest(incoming.content, progress)
    store.ingest(incoming.content, progress)
    assert len(incoming.offsets) == 1
    assert progress.stages[-1] == (incoming.descriptor.digest, "present")


def test_other_bytes_are_refused(store: ContentStore, progress: RecordedProgress) -> None:
    """S031, S032, S126: nothing is stored under a digest that is not its own."""
    incoming = Incoming.of(b"content").but(b"CONTENT")
    with pytest.raises(DigestMismatchError) as caught:
        store.ingest(incoming.content, progress)
    assert caught.value.expected == str(incoming.descriptor.digest)
    assert caught.value.actual == str(Digest.of(b"CONTENT"))
    assert store.find(incoming.descriptor.digest) is None


def test_a_stream_that_never_ends_is_given_up(
    store: ContentStore, progress: RecordedProgress
) -> None:
    """S036: one byte too many is enough."""
    incoming = Incoming.of(b"content").but(b"content" * 1_000_000)
    with pytest.raises(SizeMismatchError):
        store.ingest(incoming.content, progress)
    assert incoming.ended == len(incoming.offsets)
    assert store.find(incoming.descriptor.digest) is None


@pytest.mark.parametrize("data", [b"", b"conten", b"contents"])
def test_a_wrong_length_is_refused(
    store: ContentStore, progress: RecordedProgress, data: bytes
) -> None:
    """S036."""
    incoming = Incoming.of(b"content").but(data)
    with pytest.raises(SizeMismatchError):
        store.ingest(incoming.content, progress)
    assert store.find(incoming.descriptor.digest) is None


def test_nothing_promised_and_something_sent_is_refused(
    store: ContentStore, progress: RecordedProgress
) -> None:
    """S036: size 0 with a body."""
    with pytest.raises(SizeMismatchError):
        store.ingest(Incoming.of(b"").but(b"x").content, progress)


def test_a_promise_of_another_size_does_not_find_the_content(
    store: ContentStore, progress: RecordedProgress
) -> None:
    """S036: one of the two descriptors lies; the content stays."""
    incoming = Incoming.of(b"content")
    store.ingest(incoming.content, progress)
    lie = Descriptor("", incoming.descriptor.digest, len(incoming.data) + 1)
    assert not store.contains(lie)
    with pytest.raises(StoreCorruptError):
        store.read(lie, LIMIT)
    with pytest.raises(SizeMismatchError):
        store.ingest(Incoming(incoming.data, lie).content, progress)
    assert store.read(incoming.descriptor, LIMIT) == incoming.data


def test_a_document_over_the_limit_is_not_read(
    store: ContentStore, progress: RecordedProgress
) -> None:
    """S037: the size comes first."""
    incoming = Incoming.of(bytes(1025))
    store.ingest(incoming.content, progress)
    with pytest.raises(DocumentError, match="too large"):
        store.read(incoming.descriptor, 1024)
    assert store.read(incoming.descriptor, 1025) == incoming.data


@pytest.mark.parametrize("error", [NetworkError("gone"), KeyboardInterrupt()])
def test_a_broken_transfer_leaves_nothing_to_be_seen(
    store: ContentStore, progress: RecordedProgress, error: BaseException
) -> None:
    def break_off(offset: int) -> None:
        if offset >= 8192:
            raise error

    incoming = Incoming.of(bytes(20_000))
    incoming.before_chunk = break_off
    with pytest.raises(type(error)):
        store.ingest(incoming.content, progress)
    assert incoming.ended == 1
    assert store.find(incoming.descriptor.digest) is None
    store.ingest(Incoming.of(incoming.data).content, progress)
    assert store.read(incoming.descriptor, LIMIT) == incoming.data


def test_progress_ends_with_all_of_it(store: ContentStore) -> None:
    told: list[tuple[str, int]] = []

    class Told(RecordedProgress):
        def update(self, descriptor: Descriptor, stage: str, done: int) -> None:
            told.append((stage, done))

    store.ingest(Incoming.of(bytes(10), step=4).content, Told())
    arriving = [("fetching", done) for done in (0, 4, 8, 10)]
    assert told == [*arriving, ("done", 10)]


def test_threads_that_want_the_same_content_transfer_it_once(
    store: ContentStore, progress: RecordedProgress
) -> None:
    """R058, R095: the same layer twice in one image."""
    incoming = Incoming.of(bytes(100_000))
    together = threading.Barrier(8)

    def ingest() -> None:
        together.wait()
        store.ingest(incoming.content, progress)

    threads = [threading.Thread(target=ingest) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert incoming.offsets == [0]
    assert store.read(incoming.descriptor, LIMIT) == incoming.data


def test_what_was_discarded_is_transferred_again(
    store: ContentStore, progress: RecordedProgress
) -> None:
    """S121."""
    incoming = Incoming.of(b"content")
    store.discard(incoming.descriptor.digest)
    store.ingest(incoming.content, progress)
    with store.open(incoming.descriptor) as blob:
        store.discard(incoming.descriptor.digest)
        assert not store.contains(incoming.descriptor)
        assert blob.read() == b"content"
    store.ingest(incoming.content, progress)
    assert store.read(incoming.descriptor, LIMIT) == b"content"
    assert len(incoming.offsets) == 2
