"""From a name to one platform's image, with an in-memory store and source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from imgfetch.cas.memory import MemoryStore
from imgfetch.errors import (
    DigestMismatchError,
    DocumentError,
    NotInStoreError,
    PlatformError,
    UnsupportedContentError,
)
from imgfetch.oci import mediatype
from imgfetch.oci.image import Image
from imgfetch.oci.platform import Platform
from imgfetch.workflow.resolve import Documents, all_images, select_image
from tests.support.images import File, ImageBuilder, add_document, name_entry, write_index
from tests.support.sources import FakeSource, RecordedProgress, source_of_layout

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64", "v8")


def builder(text: str) -> ImageBuilder:
    return ImageBuilder().layer({"which": File(text)})


def documents_of(source: FakeSource) -> Documents:
    return Documents(source, MemoryStore(), RecordedProgress())


def chosen(source: FakeSource, wanted: Platform) -> Image:
    documents = documents_of(source)
    return select_image(documents, documents.top(), wanted, "x:1")


def two_platforms(layout: Path, *, attestations: bool = False) -> FakeSource:
    images = {"linux/amd64": builder("amd64"), "linux/arm64": builder("arm64")}
    write_index(layout, images, "x:1", attestations=attestations)
    return source_of_layout(layout, "x:1")


@pytest.mark.parametrize("wanted", [AMD64, ARM64])
def test_an_index_gives_the_image_of_the_platform(tmp_path: Path, wanted: Platform) -> None:
    image = chosen(two_platforms(tmp_path), wanted)
    assert image.config.platform.architecture == wanted.architecture


def test_attestations_in_front_are_passed_over(tmp_path: Path) -> None:
    """R050."""
    image = chosen(two_platforms(tmp_path, attestations=True), AMD64)
    assert image.config.platform.architecture == "amd64"


def test_all_images_leaves_attestations_out(tmp_path: Path) -> None:
    """R050."""
    documents = documents_of(two_platforms(tmp_path, attestations=True))
    images = all_images(documents, documents.top())
    assert [image.config.platform.architecture for image in images] == ["amd64", "arm64"]


def test_a_platform_that_is_not_there_is_named_beside_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(PlatformError) as caught:
        chosen(two_platforms(tmp_path), Platform("linux", "s390x"))
    assert caught.value.expected == "linux/s390x"
    assert caught.value.actual == "linux/amd64, linux/arm64"


def test_a_single_manifest_for_another_platform_is_refused(tmp_path: Path) -> None:
    """S042: as is an index that says one platform and a config that says another."""
    builder("arm64").write(tmp_path, "x:1", "linux/arm64")
    with pytest.raises(PlatformError) as caught:
        chosen(source_of_layout(tmp_path, "x:1"), AMD64)
    assert caught.value.hint is not None
    assert "--platform linux/arm64" in caught.value.hint


def test_an_index_that_lies_about_the_platform_is_refused(tmp_path: Path) -> None:
    """S042."""
    lie = builder("lie").config(architecture="arm64")
    write_index(tmp_path, {"linux/amd64": lie}, "x:1")
    with pytest.raises(PlatformError):
        chosen(source_of_layout(tmp_path, "x:1"), AMD64)


def nested(layout: Path, levels: int) -> FakeSource:
    written = builder("deep").write(layout, None, "linux/amd64")
    descriptor = written.descriptor
    for _ in range(levels):
        document = {"schemaVersion": 2, "manifests": [descriptor.to_json()]}
        index = add_document(layout, document, mediatype.OCI_INDEX)
        descriptor = replace(index, platform=AMD64)
    name_entry(layout, descriptor, "x:1")
    return source_of_layout(layout, "x:1")


def test_an_index_in_an_index_is_descended_into(tmp_path: Path) -> None:
    """R051."""
    assert chosen(nested(tmp_path, 2), AMD64).config.platform == AMD64


def test_indexes_nested_too_deeply_are_refused(tmp_path: Path) -> None:
    """S040."""
    with pytest.raises(DocumentError, match="nested too deeply"):
        chosen(nested(tmp_path, 5), AMD64)


def test_entries_without_a_platform_are_decided_by_their_configs(tmp_path: Path) -> None:
    """R052."""
    entries = [
        replace(builder(name).write(tmp_path, None, f"linux/{name}").descriptor, platform=None)
        for name in ("arm64", "amd64")
    ]
    document = {"schemaVersion": 2, "manifests": [entry.to_json() for entry in entries]}
    name_entry(tmp_path, add_document(tmp_path, document, mediatype.OCI_INDEX), "x:1")
    image = chosen(source_of_layout(tmp_path, "x:1"), AMD64)
    assert image.config.platform.architecture == "amd64"


def test_an_artifact_is_no_image_and_none_of_its_blobs_is_fetched(tmp_path: Path) -> None:
    """S043."""
    document = {
        "schemaVersion": 2,
        "config": add_document(tmp_path, {}, mediatype.OCI_EMPTY).to_json(),
        "layers": [add_document(tmp_path, {"a": 1}, "application/vnd.in-toto+json").to_json()],
    }
    manifest = add_document(tmp_path, document, mediatype.OCI_MANIFEST)
    name_entry(tmp_path, manifest, "x:1")
    source = source_of_layout(tmp_path, "x:1")
    with pytest.raises(UnsupportedContentError, match="not a container image"):
        chosen(source, AMD64)
    assert source.fetched == [manifest.digest]


def test_a_manifest_that_is_not_what_the_index_promised_is_refused(tmp_path: Path) -> None:
    """S032."""
    source = two_platforms(tmp_path)
    documents = documents_of(source)
    index = documents.manifest(documents.top())
    amd64, arm64 = index.manifests  # type: ignore[union-attr]  # it is an index
    source.blobs[amd64.digest] = source.blobs[arm64.digest]
    with pytest.raises(DigestMismatchError):
        documents.manifest(amd64)


def test_a_manifest_beyond_the_limit_is_not_fetched(tmp_path: Path) -> None:
    """S015."""
    source = two_platforms(tmp_path)
    source.top = replace(source.top, size=5 << 20)
    documents = documents_of(source)
    with pytest.raises(DocumentError, match="too large"):
        documents.manifest(source.top)
    assert source.fetched == []


def test_without_a_source_only_the_store_answers(tmp_path: Path) -> None:
    source = two_platforms(tmp_path)
    store = MemoryStore()
    with pytest.raises(NotInStoreError):
        Documents(None, store, RecordedProgress()).manifest(source.top)


def test_there_is_nothing_to_resolve_without_a_source() -> None:
    with pytest.raises(ValueError, match="without a source"):
        Documents(None, MemoryStore(), RecordedProgress()).top()


def test_of_two_that_do_not_say_their_platform_the_one_that_runs_is_taken(tmp_path: Path) -> None:
    """R052: an image of this machine's family, after one that can't run here."""
    entries = [
        replace(builder(name).write(tmp_path, None, f"linux/{name}").descriptor, platform=None)
        for name in ("s390x", "arm64", "amd64")
    ]
    document = {"schemaVersion": 2, "manifests": [entry.to_json() for entry in entries[:1]]}
    name_entry(tmp_path, add_document(tmp_path, document, mediatype.OCI_INDEX), "x:1")
    with pytest.raises(PlatformError):
        chosen(source_of_layout(tmp_path, "x:1"), AMD64)
