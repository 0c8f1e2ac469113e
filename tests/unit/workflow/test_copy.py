"""Content on its way through: nobody gets all of something that is not what was promised."""

from __future__ import annotations

import io
from collections.abc import Generator
from pathlib import Path

import pytest

from imgfetch.cas.directory import LayoutStore
from imgfetch.errors import DigestMismatchError, SizeMismatchError, StoreCorruptError
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.reference import Repository
from imgfetch.oci.unverified import Unverified
from imgfetch.workflow.copy import from_store
from imgfetch.workflow.relay import as_file, verified_chunks
from imgfetch.workflow.resolve import Documents
from tests.support.images import File, ImageBuilder, WrittenImage
from tests.support.incoming import DATA, Incoming
from tests.support.sources import RecordedProgress, source_of_layout

TARGET = Repository("registry.test", "new/app")


def test_content_passes_as_it_is() -> None:
    incoming = Incoming.of(DATA)
    assert b"".join(verified_chunks(incoming.content)) == DATA
    with as_file(lambda: verified_chunks(incoming.content)) as file:
        assert file.seek(0) == 0
        assert file.read(10) + file.read() == DATA
    assert incoming.ended == 2


def test_a_transfer_begins_when_it_is_read_and_ends_when_it_is_closed() -> None:
    incoming = Incoming.of(DATA)
    with as_file(lambda: verified_chunks(incoming.content)) as file:
        assert incoming.offsets == []
        file.read(1)
    assert (incoming.offsets, incoming.ended) == ([0], 1)


def test_it_can_not_be_read_from_the_middle() -> None:
    with (
        as_file(lambda: verified_chunks(Incoming.of(DATA).content)) as file,
        pytest.raises(io.UnsupportedOperation),
    ):
        file.seek(1 << 20)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (DATA[:-1] + b"!", DigestMismatchError),
        (b"!" + DATA[1:], DigestMismatchError),
        (DATA[:-1], SizeMismatchError),
        (DATA + b"!", SizeMismatchError),
        (b"", SizeMismatchError),
    ],
)
def test_s031_the_end_of_wrong_content_is_held_back(data: bytes, error: type[Exception]) -> None:
    passed = 0
    chunks = verified_chunks(Incoming.of(DATA).but(data).content)

    def read_all() -> None:
        nonlocal passed
        for chunk in chunks:
            passed += len(chunk)

    with pytest.raises(error):
        read_all()
    assert passed < len(DATA)


def test_an_empty_blob_passes_too() -> None:
    def chunks(_offset: int) -> Generator[bytes, None, None]:
        yield from ()

    content = Unverified(Descriptor.of(b"", "x"), chunks, "test")
    with as_file(lambda: verified_chunks(content)) as file:
        assert file.read() == b""


@pytest.fixture
def written(tmp_path: Path) -> WrittenImage:
    return ImageBuilder().layer({"a": File("a" * 5000)}).write(tmp_path / "layout", "x")


@pytest.fixture
def store(tmp_path: Path, written: WrittenImage) -> LayoutStore:
    store, progress = LayoutStore(tmp_path / "store"), RecordedProgress()
    source = source_of_layout(tmp_path / "layout", "x")
    for descriptor in (written.descriptor, written.config, *written.layers):
        store.ingest(source.fetch(descriptor), progress)
    return store


def test_the_store_tells_where_blobs_can_be_mounted_from(
    store: LayoutStore, written: WrittenImage
) -> None:
    documents = Documents(None, store, RecordedProgress())
    layer = written.layers[0]
    for name in ("elsewhere.test/other/app:1", f"{TARGET}:1", "not a reference"):
        store.tag(name, written.descriptor)
        assert from_store(store, store, documents, TARGET).elsewhere(layer) is None
    store.tag("registry.test/other/app:1", written.descriptor)
    assert from_store(store, store, documents, TARGET).elsewhere(layer) == "other/app"


def test_s121_a_damaged_blob_is_found_on_its_way_out(
    store: LayoutStore, written: WrittenImage
) -> None:
    documents = Documents(None, store, RecordedProgress())
    layer = written.layers[0]
    path = Path(store.path, "blobs/sha256", layer.digest.encoded)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[::-1])
    origin = from_store(store, store, documents, TARGET)
    with origin.open_blob(layer) as file, pytest.raises(StoreCorruptError):
        file.read()
    assert store.find(layer.digest) is None


def test_what_refers_to_an_image_is_found_in_the_store(
    store: LayoutStore, written: WrittenImage, tmp_path: Path
) -> None:
    from imgfetch.oci import mediatype
    from tests.support.images import add_document

    layout = tmp_path / "layout"
    document = {
        "schemaVersion": 2,
        "config": written.config.to_json(),
        "layers": [],
        "subject": written.descriptor.to_json(),
    }
    referrer = add_document(layout, document, mediatype.OCI_MANIFEST)
    store.ingest(source_of_layout(layout, "x").fetch(referrer), RecordedProgress())
    store.tag("registry.test/other/app:signature", referrer)
    origin = from_store(store, store, Documents(None, store, RecordedProgress()), TARGET)
    assert [found.digest for found in origin.referrers(written.digest)] == [referrer.digest]
    assert origin.referrers(referrer.digest) == []
