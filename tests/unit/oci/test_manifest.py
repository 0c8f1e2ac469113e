"""Manifests and indexes: which of the two a document is, and what is in it."""

from __future__ import annotations

from typing import Any

import pytest

from imgfetch.errors import (
    ContentError,
    DocumentError,
    InvalidDigestError,
    UnsupportedContentError,
)
from imgfetch.oci import mediatype
from imgfetch.oci.document import ENTRY_LIMIT, MANIFEST_LIMIT
from imgfetch.oci.manifest import Index, Manifest, parse
from tests.support import documents
from tests.support.documents import encode, without

HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"
IN_TOTO = "application/vnd.in-toto+json"
SCHEMA1 = sorted(mediatype.DOCKER_SCHEMA1)


def _parse_manifest(document: documents.Document, media_type: str = "") -> Manifest:
    parsed = parse(encode(document), media_type)
    assert isinstance(parsed, Manifest)
    return parsed


def _parse_index(document: documents.Document, media_type: str = "") -> Index:
    parsed = parse(encode(document), media_type)
    assert isinstance(parsed, Index)
    return parsed


def test_a_manifest_has_a_config_and_layers_the_lowest_first() -> None:
    layers = [documents.layer("lower"), documents.layer("upper")]
    document = documents.manifest(layers=layers)
    manifest = _parse_manifest(document)
    assert manifest.media_type == mediatype.OCI_MANIFEST
    assert manifest.config.to_json() == document["config"]
    assert [layer.to_json() for layer in manifest.layers] == layers
    assert (manifest.artifact_type, manifest.subject, manifest.annotations) == (None, None, {})
    assert manifest.is_image


def test_an_index_has_manifests_in_order() -> None:
    document = documents.index()
    index = _parse_index(document)
    assert index.media_type == mediatype.OCI_INDEX
    assert [entry.to_json() for entry in index.manifests] == document["manifests"]
    assert (index.artifact_type, index.subject, index.annotations) == (None, None, {})


@pytest.mark.parametrize("document", [documents.manifest(), documents.index()])
def test_the_raw_bytes_are_kept(document: documents.Document) -> None:
    """S039: what goes out again is what came in, odd white space included."""
    raw = b"\n " + encode(document).replace(b", ", b" ,\t") + b"\r\n"
    assert parse(raw).raw == raw


@pytest.mark.parametrize("document", [documents.manifest(), documents.index()])
def test_artifact_type_subject_and_annotations_are_read(document: documents.Document) -> None:
    subject = documents.descriptor(mediatype.OCI_MANIFEST, "subject")
    parsed = parse(
        encode({**document, "artifactType": "a/b", "subject": subject, "annotations": {"c": "d"}})
    )
    assert parsed.artifact_type == "a/b"
    assert parsed.subject is not None
    assert parsed.subject.to_json() == subject
    assert parsed.annotations == {"c": "d"}
    assert hash(parsed) == hash(parsed)


@pytest.mark.parametrize("media_type", sorted(mediatype.MANIFESTS))
def test_manifests_of_both_families_are_read(media_type: str) -> None:
    """R055."""
    document = documents.manifest(mediaType=media_type)
    assert _parse_manifest(document, media_type).media_type == media_type


@pytest.mark.parametrize("media_type", sorted(mediatype.INDEXES))
def test_indexes_of_both_families_are_read(media_type: str) -> None:
    """R055."""
    document = documents.index(mediaType=media_type)
    assert _parse_index(document, media_type).media_type == media_type


def test_families_may_be_mixed() -> None:
    """R055: a Docker list of OCI manifests; Docker layers with an OCI config."""
    entries = [
        documents.platform_entry("linux/amd64"),
        documents.platform_entry("linux/arm64", mediaType=mediatype.DOCKER_MANIFEST),
    ]
    index = _parse_index(documents.index(mediaType=mediatype.DOCKER_INDEX, manifests=entries))
    assert len(index.manifests) == 2
    manifest = _parse_manifest(
        documents.manifest(layers=[documents.layer("a", mediatype.DOCKER_LAYER_GZIP)])
    )
    assert manifest.is_image


@pytest.mark.parametrize(
    "announced",
    [
        "",
        "application/json",
        "application/octet-stream",
        "text/plain; charset=utf-8",
        f"{mediatype.OCI_MANIFEST}; charset=utf-8",
        mediatype.OCI_MANIFEST.upper(),
    ],
)
def test_a_generic_announcement_leaves_it_to_the_document(announced: str) -> None:
    """R016."""
    assert _parse_manifest(documents.manifest(), announced).media_type == mediatype.OCI_MANIFEST


@pytest.mark.parametrize(
    ("document", "announced", "media_type"),
    [
        (documents.manifest(), "", mediatype.OCI_MANIFEST),
        (documents.index(), "", mediatype.OCI_INDEX),
        (documents.manifest(), mediatype.DOCKER_MANIFEST, mediatype.DOCKER_MANIFEST),
        (documents.index(), mediatype.OCI_INDEX, mediatype.OCI_INDEX),
        (documents.index(manifests=[]), "text/plain", mediatype.OCI_INDEX),
        (documents.manifest(layers=None), "text/plain", mediatype.OCI_MANIFEST),
    ],
)
def test_without_a_media_type_announcement_or_structure_decide(
    document: documents.Document, announced: str, media_type: str
) -> None:
    """R016, R017."""
    assert parse(encode(without(document, "mediaType")), announced).media_type == media_type


@pytest.mark.parametrize("announced", ["", mediatype.OCI_MANIFEST, mediatype.OCI_INDEX])
@pytest.mark.parametrize("media_type", [None, mediatype.OCI_MANIFEST, mediatype.OCI_INDEX])
@pytest.mark.parametrize("half", [("layers",), ("config",), ("layers", "config")])
def test_a_body_that_could_be_both_is_refused_whatever_it_is_called(
    half: tuple[str, ...], media_type: str | None, announced: str
) -> None:
    """S030: CVE-2021-41190."""
    manifest = documents.manifest()
    both = documents.index(mediaType=media_type, **{name: manifest[name] for name in half})
    with pytest.raises(DocumentError):
        parse(encode(both), announced)


ALL_TYPES = sorted(mediatype.INDEXES | mediatype.MANIFESTS)


@pytest.mark.parametrize("announced", ALL_TYPES)
@pytest.mark.parametrize("own", ALL_TYPES)
def test_a_type_other_than_announced_is_refused(own: str, announced: str) -> None:
    """S030: any pair of specific types has to be the same."""
    make = documents.index if own in mediatype.INDEXES else documents.manifest
    raw = encode(make(mediaType=own))
    if own == announced:
        assert parse(raw, announced).media_type == own
        return
    with pytest.raises(DocumentError) as caught:
        parse(raw, announced, "manifest x")
    assert caught.value.lines() == [
        "manifest x: its mediaType is not what it was announced as",
        f"expected {announced!r}",
        f"got      {own!r}",
    ]


@pytest.mark.parametrize(
    ("document", "media_type"),
    [
        *((documents.manifest(), media_type) for media_type in sorted(mediatype.INDEXES)),
        *((documents.index(), media_type) for media_type in sorted(mediatype.MANIFESTS)),
    ],
)
def test_fields_of_the_other_kind_are_refused(
    document: documents.Document, media_type: str
) -> None:
    """S030."""
    with pytest.raises(DocumentError, match="its fields are not those of"):
        parse(encode({**document, "mediaType": media_type}))
    with pytest.raises(DocumentError, match="its fields are not those of"):
        parse(encode(without(document, "mediaType")), media_type)


@pytest.mark.parametrize("field", ["Manifests", "LAYERS", "Config", "MediaType", "SchemaVersion"])
@pytest.mark.parametrize("document", [documents.manifest(), documents.index()])
def test_a_field_that_go_would_take_for_another_is_refused(
    document: documents.Document, field: str
) -> None:
    """S030, S038."""
    with pytest.raises(DocumentError, match="some parsers take field"):
        parse(encode({**document, field: []}))


def test_layers_given_twice_are_refused() -> None:
    """S038."""
    raw = encode(documents.manifest())
    with pytest.raises(DocumentError, match="'layers' is 2 times"):
        parse(raw[:-1] + b', "layers": []}')


@pytest.mark.parametrize("media_type", SCHEMA1)
def test_schema_1_is_named_by_announcement_or_own_type(media_type: str) -> None:
    """R019."""
    document = {"name": "a", "tag": "b", "fsLayers": [], "history": []}
    for raw, announced in (
        (encode(document), media_type),
        (encode({**document, "mediaType": media_type}), ""),
    ):
        with pytest.raises(UnsupportedContentError) as caught:
            parse(raw, announced)
        assert caught.value.lines() == [
            "manifest: image manifest schema 1 is not supported",
            "push the image again with a current tool",
        ]


def test_schema_1_is_named_by_its_version() -> None:
    """R019."""
    with pytest.raises(UnsupportedContentError, match="schema 1 is not supported"):
        parse(encode({"schemaVersion": 1, "fsLayers": []}), "application/json")


def test_a_version_from_the_future_is_not_guessed_at() -> None:
    with pytest.raises(UnsupportedContentError, match="unknown schemaVersion"):
        parse(encode(documents.manifest(schemaVersion=3)))


@pytest.mark.parametrize("version", ["2", 2.0, True, -2, []])
def test_a_version_is_an_integer(version: object) -> None:
    """S035."""
    with pytest.raises(DocumentError, match="'schemaVersion'"):
        parse(encode(documents.manifest(schemaVersion=version)))


@pytest.mark.parametrize("document", [documents.manifest(), documents.index()])
def test_a_version_may_be_absent(document: documents.Document) -> None:
    """R017."""
    parsed = parse(encode(without(document, "schemaVersion")))
    assert parsed.media_type == document["mediaType"]


@pytest.mark.parametrize(
    "media_type",
    ["application/vnd.oci.artifact.manifest.v1+json", mediatype.OCI_CONFIG, "x", "\x1b[31m" * 99],
)
def test_other_types_are_neither_manifest_nor_index(media_type: str) -> None:
    for raw, announced in (
        (encode({"mediaType": media_type}), ""),
        (encode({}), media_type),
    ):
        with pytest.raises(
            UnsupportedContentError, match="is neither a manifest nor an index"
        ) as caught:
            parse(raw, announced)
        assert "\x1b" not in caught.value.message


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({}, DocumentError),
        ({"schemaVersion": 2}, DocumentError),
        (documents.manifest(config=None), DocumentError),
        (documents.manifest(config=[]), DocumentError),
        (documents.manifest(layers={}), DocumentError),
        (documents.manifest(layers=[None]), DocumentError),
        (documents.manifest(layers=[[]]), DocumentError),
        (documents.manifest(layers=[{}]), DocumentError),
        (documents.manifest(annotations=[]), DocumentError),
        (documents.manifest(subject="x"), DocumentError),
        (documents.manifest(subject={}), DocumentError),
        (documents.manifest(mediaType=1), DocumentError),
        (documents.index(manifests={}), DocumentError),
        (documents.index(manifests=[1]), DocumentError),
        (documents.index(manifests=[{"mediaType": "x"}]), DocumentError),
        (documents.manifest(layers=[documents.descriptor("x", size=-1)]), DocumentError),
        (
            documents.manifest(layers=[documents.descriptor("x", digest="a:b/../c")]),
            InvalidDigestError,
        ),
        (
            documents.index(manifests=[documents.descriptor("x", digest="md5:00")]),
            InvalidDigestError,
        ),
    ],
)
def test_wrong_shapes_are_errors_of_ours(
    document: documents.Document, error: type[ContentError]
) -> None:
    """S026, S035, S045: the class of CVE-2021-21285."""
    with pytest.raises(error) as caught:
        parse(encode(document), what="manifest x")
    assert caught.value.message.startswith("manifest x")


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"\xff", b"<html>", b"[" * 100_000])
def test_what_is_no_object_is_an_error_of_ours(raw: bytes) -> None:
    """S037, S045."""
    with pytest.raises(DocumentError):
        parse(raw)


def test_size_and_number_of_entries_are_limited() -> None:
    """S037, S040."""
    entry = documents.platform_entry("linux/amd64")
    short = {"digest": entry["digest"], "size": 0}
    assert len(_parse_index(documents.index(manifests=[short] * ENTRY_LIMIT)).manifests) == 10_000
    with pytest.raises(DocumentError, match="too many entries in 'manifests'"):
        parse(encode(documents.index(manifests=[short] * (ENTRY_LIMIT + 1))))
    with pytest.raises(DocumentError, match="too many entries in 'layers'"):
        parse(encode(documents.manifest(layers=[short] * (ENTRY_LIMIT + 1))))
    with pytest.raises(DocumentError, match="too large"):
        parse(encode(documents.manifest()) + b" " * MANIFEST_LIMIT)


def test_one_layer_may_be_there_twice() -> None:
    """R058: applied twice, in order."""
    document = documents.manifest(layers=[documents.layer("a"), documents.layer("a")])
    first, second = _parse_manifest(document).layers
    assert first == second


@pytest.mark.parametrize(
    "fields",
    [
        {"config": documents.descriptor(HELM_CONFIG)},
        {"config": documents.descriptor(mediatype.OCI_EMPTY)},
        {"config": documents.descriptor("")},
        {"layers": [documents.layer(), documents.descriptor(IN_TOTO)]},
        {"layers": [documents.descriptor("application/vnd.oci.image.layer.v1.tar+bzip2")]},
    ],
)
def test_artifacts_are_read_and_are_no_images(fields: dict[str, Any]) -> None:
    """S043, R056."""
    assert not _parse_manifest(documents.manifest(**fields)).is_image


@pytest.mark.parametrize("config", sorted(mediatype.CONFIGS))
@pytest.mark.parametrize("layer", sorted(mediatype.LAYERS))
def test_every_layer_type_goes_with_every_config_type(config: str, layer: str) -> None:
    """R055, R056."""
    document = documents.manifest(
        config=documents.descriptor(config), layers=[documents.layer("a", layer)]
    )
    assert _parse_manifest(document).is_image


def test_an_image_may_have_no_layers() -> None:
    assert _parse_manifest(documents.manifest(layers=[])).is_image
