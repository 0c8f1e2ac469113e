"""OCI layouts: the marker, where blobs are, and the names in ``index.json``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imgfetch.errors import DocumentError, UnsupportedContentError
from imgfetch.oci import layout, mediatype
from imgfetch.oci.descriptor import REF_NAME, Descriptor
from imgfetch.oci.digest import Digest
from imgfetch.oci.layout import PINNED, LayoutIndex, is_pinned
from tests.support import documents
from tests.support.documents import encode

APP = Descriptor.of(b"app", mediatype.OCI_MANIFEST)


def _index(*entries: Any, **fields: Any) -> LayoutIndex:
    document = {"schemaVersion": 2, "manifests": list(entries), **fields}
    return LayoutIndex.from_json(encode(document), "layout x")


def _entry(name: str | None, text: str = "app", **fields: Any) -> documents.Document:
    annotations = {} if name is None else {"annotations": {REF_NAME: name}}
    return documents.descriptor(mediatype.OCI_MANIFEST, text, **{**annotations, **fields})


def _written(index: LayoutIndex) -> list[documents.Document]:
    entries = json.loads(index.to_json())["manifests"]
    assert isinstance(entries, list)
    return entries


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_blob_is_named_by_its_digest(algorithm: str) -> None:
    digest = Digest.of(b"x", algorithm)
    assert layout.blob_path(digest) == f"blobs/{algorithm}/{digest.encoded}"


def test_the_marker_that_we_write_is_accepted() -> None:
    layout.check_marker(layout.MARKER_DOCUMENT, "layout x")


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"imageLayoutVersion": 1}'])
def test_a_malformed_marker_is_refused(raw: bytes) -> None:
    """S045."""
    with pytest.raises(DocumentError, match=r"^layout x: oci-layout"):
        layout.check_marker(raw, "layout x")


def test_another_version_is_refused_and_not_guessed_at() -> None:
    with pytest.raises(UnsupportedContentError) as caught:
        layout.check_marker(b'{"imageLayoutVersion": "1.1.0"}', "layout x")
    assert (caught.value.expected, caught.value.actual) == ("1.0.0", "'1.1.0'")


def test_a_new_layout_has_no_entries() -> None:
    index = LayoutIndex.empty()
    assert (index.entries, index.foreign) == ((), 0)
    assert json.loads(index.to_json()) == {"schemaVersion": 2, "manifests": []}


def test_entries_are_read_in_order() -> None:
    index = _index(_entry("b", "x"), _entry(None, "y"), _entry("a", "z"))
    assert [entry.ref_name for entry in index.entries] == ["b", None, "a"]


@pytest.mark.parametrize("document", [{}, {"manifests": None}])
def test_no_manifests_are_an_empty_layout(document: documents.Document) -> None:
    """R017: umoci wrote ``null``."""
    index = LayoutIndex.from_json(encode(document), "layout x")
    assert index.entries == ()
    assert _written(index.with_entry("app", APP)) == [_entry("app")]


@pytest.mark.parametrize("document", [[], {"manifests": {}}, {"manifests": [1]}, {"Manifests": []}])
def test_a_malformed_index_is_refused(document: object) -> None:
    """S045."""
    with pytest.raises(DocumentError, match=r"^layout x: index\.json"):
        LayoutIndex.from_json(encode(document), "layout x")


def test_one_malformed_entry_is_in_the_way_of_nothing_but_itself() -> None:
    """S045: other tools write here, too."""
    index = _index(_entry("a", "x"), _entry("b", "y", size="many"))
    assert [str(entry.digest) for entry in index.named("a")] == [documents.digest("x")]
    found = index.announced(Digest.parse(documents.digest("x")))
    assert found == index.named("a")[0]
    for look in (lambda: index.named("b"), lambda: index.entries, lambda: index.foreign):
        with pytest.raises(DocumentError, match="size"):
            look()


def test_a_name_may_stand_for_several_entries() -> None:
    index = _index(_entry("a", "x"), _entry("b", "y"), _entry("a", "z"))
    assert [str(entry.digest) for entry in index.named("a")] == [
        documents.digest("x"),
        documents.digest("z"),
    ]
    assert index.named("c") == []


def test_a_new_name_comes_last() -> None:
    index = _index(_entry("a", "x")).with_entry("app", APP)
    assert _written(index) == [_entry("a", "x"), _entry("app")]
    assert index.named("app") == [APP]


def test_a_name_that_moves_keeps_its_place_and_is_there_once() -> None:
    index = _index(_entry("a", "x"), _entry("app", "old"), _entry("b", "y"), _entry("app", "older"))
    moved = _written(index.with_entry("app", APP))
    assert moved == [_entry("a", "x"), _entry("app"), _entry("b", "y")]


def test_a_name_that_goes_takes_all_its_entries_along() -> None:
    index = _index(_entry("app", "x"), _entry("b", "y"), _entry("app", "z"))
    assert _written(index.without_entry("app")) == [_entry("b", "y")]
    assert _written(index.without_entry("c")) == _written(index)


def test_annotations_of_the_descriptor_are_not_taken_over() -> None:
    """They may be names that other tools read."""
    annotated = Descriptor(
        APP.media_type, APP.digest, APP.size, {"io.containerd.image.name": "other"}
    )
    assert _written(LayoutIndex.empty().with_entry("app", annotated)) == [_entry("app")]


def test_a_pin_stays_when_the_name_moves() -> None:
    pinned = {"annotations": {PINNED: "true", REF_NAME: "app"}}
    index = _index(_entry("a", "x"), _entry("app", "old")).with_pin("app", pinned=True)
    assert [is_pinned(entry) for entry in index.entries] == [False, True]
    moved = index.with_entry("app", APP)
    assert _written(moved) == [_entry("a", "x"), {**_entry("app"), **pinned}]
    assert _written(moved.with_pin("app", pinned=False)) == [_entry("a", "x"), _entry("app")]
    assert moved.with_pin("none", pinned=True) is moved


def test_what_means_nothing_to_us_stays_as_it_is() -> None:
    """R076: the file belongs to every tool that writes to the layout."""
    strange = _entry("b", "y", urls=["x"], data="eA==", new={"a": [1.5]})
    foreign = {"mediaType": "x", "digest": "blake3:00", "size": 1, "annotations": {"k": "v"}}
    index = _index(strange, foreign, annotations={"of": "the index"}, subject=None)
    changed = index.with_entry("app", APP).without_entry("app")
    assert json.loads(changed.to_json()) == {
        "schemaVersion": 2,
        "manifests": [strange, foreign],
        "annotations": {"of": "the index"},
        "subject": None,
    }


@pytest.mark.parametrize("annotations", [None, [], "x", {REF_NAME: 1}, {REF_NAME: "other"}])
def test_entries_whose_digest_we_cannot_check_are_counted_and_kept(annotations: object) -> None:
    """S034, S045: whatever else is in them."""
    foreign = {"digest": "md5:00", "size": 1, "annotations": annotations}
    index = _index(foreign, _entry("app"))
    assert (index.foreign, [entry.ref_name for entry in index.entries]) == (1, ["app"])
    assert _written(index.without_entry("app")) == [foreign]
    assert _written(index.with_entry("app", APP)) == [foreign, _entry("app")]


def test_a_foreign_entry_of_a_name_goes_with_the_name() -> None:
    foreign = {"digest": "md5:00", "size": 1, "annotations": {REF_NAME: "app"}}
    assert _written(_index(foreign).with_entry("app", APP)) == [_entry("app")]
