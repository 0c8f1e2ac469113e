"""Media types: which are known, and how headers spell them."""

from __future__ import annotations

import pytest

from imgfetch.oci import mediatype


@pytest.mark.parametrize(
    ("header", "bare"),
    [
        (None, ""),
        ("", ""),
        ("application/json", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        (" Application/JSON ;charset=utf-8", "application/json"),
        (f"{mediatype.OCI_INDEX};a=b;c=d", mediatype.OCI_INDEX),
    ],
)
def test_parameters_and_case_of_a_content_type_do_not_count(header: str | None, bare: str) -> None:
    """R016."""
    assert mediatype.normalize(header) == bare


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ],
)
def test_layers_of_both_families_are_known(media_type: str) -> None:
    """R056."""
    assert mediatype.is_layer(media_type)


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "application/vnd.in-toto+json",
        "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
        "application/vnd.oci.image.layer.v1.tar+bzip2",
        mediatype.OCI_CONFIG,
    ],
)
def test_other_types_are_no_layers(media_type: str) -> None:
    """S043, R056."""
    assert not mediatype.is_layer(media_type)


def test_all_manifest_types_are_asked_for() -> None:
    accepted = mediatype.ACCEPT_MANIFESTS.split(", ")
    assert set(accepted) == mediatype.INDEXES | mediatype.MANIFESTS
    assert len(accepted) == 4


def test_no_type_means_two_things() -> None:
    families = (
        mediatype.INDEXES,
        mediatype.MANIFESTS,
        mediatype.CONFIGS,
        mediatype.LAYERS,
        mediatype.GENERIC,
        mediatype.DOCKER_SCHEMA1,
        {mediatype.OCI_EMPTY},
    )
    assert len(frozenset().union(*families)) == sum(map(len, families))
