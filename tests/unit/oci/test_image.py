"""An image: a manifest and a config that belong together."""

from __future__ import annotations

from typing import Any

import pytest

from imgfetch.errors import DocumentError, UnsupportedContentError
from imgfetch.oci import mediatype
from imgfetch.oci.config import ImageConfig
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import Digest, chain_id
from imgfetch.oci.image import Image, Layer, check_is_image
from imgfetch.oci.manifest import Manifest, parse
from tests.support import documents
from tests.support.documents import digest, encode


def _manifest(**fields: Any) -> tuple[Descriptor, Manifest]:
    raw = encode(documents.manifest(**fields))
    manifest = parse(raw)
    assert isinstance(manifest, Manifest)
    return Descriptor.of(raw, manifest.media_type), manifest


def _image(layers: list[str], diff_ids: list[str] | None, **fields: Any) -> Image:
    descriptor, manifest = _manifest(layers=[documents.layer(text) for text in layers], **fields)
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    config = ImageConfig.from_json(encode(documents.config(rootfs=rootfs)))
    return Image(descriptor, manifest, config)


def test_layers_are_blobs_with_what_they_unpack_to() -> None:
    image = _image(["a", "b"], [digest("A"), digest("B")])
    first, second = image.layers
    assert isinstance(first, Layer)
    assert (first.descriptor.digest, first.diff_id) == (Digest.of(b"a"), Digest.of(b"A"))
    assert (second.descriptor.digest, second.diff_id) == (Digest.of(b"b"), Digest.of(b"B"))


def test_one_layer_twice_and_one_diff_id_of_two_blobs_are_fine() -> None:
    """R058."""
    twice = _image(["a", "a"], [digest("A"), digest("A")])
    assert twice.layers[0] == twice.layers[1]
    two_blobs = _image(["a", "b"], [digest("A"), digest("A")])
    assert [str(layer.descriptor.digest) for layer in two_blobs.layers] == [
        digest("a"),
        digest("b"),
    ]


def test_the_chain_id_names_all_layers() -> None:
    image = _image(["a", "b"], [digest("A"), digest("B")])
    assert image.chain_id == chain_id(image.config.diff_ids)


@pytest.mark.parametrize("diff_ids", [[], None])
def test_an_image_without_layers_has_no_chain_id(diff_ids: list[str] | None) -> None:
    image = _image([], diff_ids)
    assert image.layers == ()
    assert image.chain_id is None


def test_the_size_is_that_of_config_and_layers() -> None:
    image = _image(["12", "345"], [digest("A"), digest("B")])
    assert image.size == len("config") + 2 + 3


@pytest.mark.parametrize(
    ("layers", "diff_ids"),
    [
        (["a"], []),
        (["a"], None),
        ([], [digest("A")]),
        (["a"], [digest("A"), digest("B")]),
        (["a", "b"], [digest("A")]),
    ],
)
def test_as_many_diff_ids_as_layers_are_needed(
    layers: list[str], diff_ids: list[str] | None
) -> None:
    """S045."""
    with pytest.raises(DocumentError) as caught:
        _image(layers, diff_ids)
    assert caught.value.lines()[1:] == [
        f"expected {len(layers)} diff_ids",
        f"got      {len(diff_ids or ())}",
    ]


@pytest.mark.parametrize(
    ("fields", "actual"),
    [
        (
            {"config": documents.descriptor("application/vnd.cncf.helm.config.v1+json")},
            "a config of type 'application/vnd.cncf.helm.config.v1+json'",
        ),
        (
            {"config": documents.descriptor(mediatype.OCI_EMPTY)},
            f"a config of type '{mediatype.OCI_EMPTY}'",
        ),
        (
            {"layers": [documents.layer(), documents.descriptor("application/vnd.in-toto+json")]},
            "a layer of type 'application/vnd.in-toto+json'",
        ),
        ({"layers": [documents.descriptor("")]}, "a layer of type ''"),
        (
            {"layers": [documents.descriptor("\x1b" * 999)]},
            "a layer of type '" + r"\x1b" * 100 + "'",
        ),
    ],
)
def test_artifacts_are_refused_before_anything_is_fetched(
    fields: dict[str, Any], actual: str
) -> None:
    """S043."""
    descriptor, manifest = _manifest(**fields)
    with pytest.raises(UnsupportedContentError) as caught:
        check_is_image(descriptor, manifest)
    assert caught.value.lines() == [
        f"{descriptor.digest} is not a container image",
        f"got      {actual}",
        "charts, signatures and the like are for the tools that made them",
    ]


def test_an_artifact_does_not_become_an_image() -> None:
    """S043."""
    with pytest.raises(UnsupportedContentError):
        _image(["a"], [digest("A")], config=documents.descriptor(mediatype.OCI_EMPTY))


def test_images_are_values() -> None:
    assert len({_image(["a"], [digest("A")]), _image(["a"], [digest("A")])}) == 1
