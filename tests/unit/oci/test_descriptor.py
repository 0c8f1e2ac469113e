"""Descriptors: what is read from them, what is ignored, what is written."""

from __future__ import annotations

from typing import Any

import pytest

from imgfetch.errors import DocumentError, InvalidDigestError
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import REF_NAME, Descriptor
from imgfetch.oci.digest import Digest
from imgfetch.oci.document import load
from imgfetch.oci.platform import Platform
from tests.support import documents


def _read(document: documents.Document) -> Descriptor:
    return Descriptor.from_object(load(documents.encode(document), "descriptor"))


def _read_layer(**fields: Any) -> Descriptor:
    return _read({**documents.layer(), **fields})


def test_a_descriptor_has_type_digest_and_size() -> None:
    assert _read(documents.layer("some text")) == Descriptor(
        mediatype.OCI_LAYER_GZIP, Digest.parse(documents.digest("some text")), 9
    )


def test_the_media_type_stays_as_written() -> None:
    assert _read_layer(mediaType="Application/X; y=z").media_type == "Application/X; y=z"
    assert _read(documents.without(documents.layer(), "mediaType")).media_type == ""


def test_a_descriptor_of_bytes_is_computed() -> None:
    descriptor = Descriptor.of(b"some text", "text/plain")
    assert (descriptor.media_type, descriptor.size) == ("text/plain", 9)
    assert str(descriptor.digest) == documents.digest("some text")


@pytest.mark.parametrize(
    "size",
    [-1, 1e3, 1.5, True, "5", None, 2**63, [5], {"5": 5}],
    ids=lambda value: getattr(value, "__name__", None) or repr(value),
)
def test_a_size_is_an_integer_from_0_to_2_63(size: object) -> None:
    """S035."""
    with pytest.raises(DocumentError, match="'size'"):
        _read_layer(size=size)


@pytest.mark.parametrize("size", [0, 2**63 - 1])
def test_the_smallest_and_largest_sizes_are_taken(size: int) -> None:
    """S035."""
    assert _read_layer(size=size).size == size


@pytest.mark.parametrize(
    "digest",
    [
        "sha256:../../../v2/other/manifests/x",
        "sha256:aa?x=",
        "a:b/../../c",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        "",
    ],
)
def test_a_digest_outside_the_grammar_is_refused_where_it_is_read(digest: str) -> None:
    """S026, S034."""
    with pytest.raises(InvalidDigestError, match=r"^descriptor: digest: "):
        _read_layer(digest=digest)


@pytest.mark.parametrize("field", ["digest", "size"])
def test_a_missing_field_is_named(field: str) -> None:
    """S035."""
    with pytest.raises(DocumentError, match=f"^descriptor: no '{field}'$"):
        _read(documents.without(documents.layer(), field))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mediaType", 1),
        ("digest", 1),
        ("annotations", []),
        ("annotations", {"a": 1}),
        ("platform", "linux/amd64"),
        ("platform", {"os": 1}),
        ("artifactType", []),
    ],
)
def test_a_field_of_another_type_is_refused(field: str, value: object) -> None:
    """S045."""
    with pytest.raises(DocumentError):
        _read_layer(**{field: value})


def test_urls_and_data_are_ignored() -> None:
    """S001, S041: neither credentials for strangers nor content that nobody has verified."""
    lying = _read_layer(urls=["https://other.test/x"], data="bGllcw==")
    assert lying == _read_layer()
    assert lying.to_json() == documents.layer()


def test_fields_that_are_not_known_are_ignored() -> None:
    assert _read_layer(something={"new": [1.5]}) == _read_layer()


def test_annotations_do_not_make_another_descriptor() -> None:
    named = _read_layer(annotations={REF_NAME: "app:1"})
    assert named == _read_layer()
    assert hash(named) == hash(_read_layer())
    assert named.ref_name == "app:1"
    assert _read_layer().ref_name is None


def test_what_is_written_is_read_back() -> None:
    descriptor = Descriptor(
        media_type=mediatype.OCI_MANIFEST,
        digest=Digest.of(b"x"),
        size=1,
        annotations={"b": "2", "a": "1"},
        platform=Platform("linux", "arm", "v7", "1.2"),
        artifact_type="application/vnd.example",
    )
    document = descriptor.to_json()
    assert document == {
        "mediaType": mediatype.OCI_MANIFEST,
        "digest": str(descriptor.digest),
        "size": 1,
        "artifactType": "application/vnd.example",
        "platform": {
            "architecture": "arm",
            "os": "linux",
            "os.version": "1.2",
            "variant": "v7",
        },
        "annotations": {"a": "1", "b": "2"},
    }
    assert list(document["annotations"]) == ["a", "b"]
    again = _read(document)
    assert again == descriptor
    assert again.annotations == descriptor.annotations


def test_what_is_not_there_is_not_written() -> None:
    assert _read_layer().to_json() == documents.layer()


@pytest.mark.parametrize(
    ("fields", "is_attestation"),
    [
        ({}, False),
        ({"platform": {"os": "linux", "architecture": "amd64"}}, False),
        ({"platform": {"os": "unknown", "architecture": "unknown"}}, True),
        ({"platform": {"os": "linux", "architecture": "unknown"}}, True),
        ({"annotations": {"vnd.docker.reference.type": "attestation-manifest"}}, True),
    ],
)
def test_attestations_are_told_by_platform_or_annotation(
    fields: dict[str, Any], is_attestation: bool
) -> None:
    """R050."""
    entry = _read({**documents.descriptor(mediatype.OCI_MANIFEST), **fields})
    assert entry.is_attestation is is_attestation
    assert entry.may_be_image is not is_attestation


@pytest.mark.parametrize(
    ("media_type", "artifact_type", "may_be_image"),
    [
        (mediatype.OCI_MANIFEST, None, True),
        (mediatype.DOCKER_MANIFEST, None, True),
        (mediatype.OCI_INDEX, None, True),
        (mediatype.DOCKER_INDEX, None, True),
        ("", None, True),
        (mediatype.OCI_MANIFEST, "", True),
        (mediatype.OCI_MANIFEST, mediatype.OCI_CONFIG, True),
        (mediatype.OCI_MANIFEST, "application/vnd.example.sbom", False),
        ("application/vnd.in-toto+json", None, False),
        (mediatype.OCI_LAYER, None, False),
    ],
)
def test_an_entry_leads_to_an_image_unless_it_says_otherwise(
    media_type: str, artifact_type: str | None, may_be_image: bool
) -> None:
    """S043; image-index.md: media types that are not known are ignored."""
    entry = _read(documents.descriptor(media_type, artifactType=artifact_type))
    assert entry.may_be_image is may_be_image
