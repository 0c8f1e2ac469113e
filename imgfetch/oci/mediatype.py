"""Media types of image-spec media-types.md and of Docker's image manifest v2.

A layer's media type only hints at its compression: the magic bytes decide
(imgfetch.layer.compression), since registries and builders mislabel layers.
"""

from __future__ import annotations

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"

DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_LAYER_ZSTD = "application/vnd.docker.image.rootfs.diff.tar.zstd"

# Schema 1: known only so that the error can name it.
DOCKER_SCHEMA1 = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)

INDEXES = frozenset({OCI_INDEX, DOCKER_INDEX})
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
CONFIGS = frozenset({OCI_CONFIG, DOCKER_CONFIG})
LAYERS = frozenset(
    {
        OCI_LAYER,
        OCI_LAYER_GZIP,
        OCI_LAYER_ZSTD,
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
        DOCKER_LAYER,
        DOCKER_LAYER_GZIP,
        DOCKER_LAYER_ZSTD,
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.zstd",
    }
)

# Types that say nothing about the document: `mediaType` or the structure decides.
GENERIC = frozenset(
    {"", "application/json", "application/octet-stream", "text/plain", "text/html", "text/json"}
)

# All four in one Accept header: a registry asked for less answers 404, or silently
# picks the amd64 manifest of a list.
ACCEPT_MANIFESTS = f"{OCI_INDEX}, {OCI_MANIFEST}, {DOCKER_INDEX}, {DOCKER_MANIFEST}"


def normalize(content_type: str | None) -> str:
    """The bare, lower-case media type of a ``Content-Type`` header ("" for none).

    RFC 9110 8.3.1: parameters are split off, types compare without case.
    """
    return (content_type or "").partition(";")[0].strip().lower()


def is_nondistributable(media_type: str) -> bool:
    """Whether a layer may be had from its maker only (image-spec "Non-Distributable Layers")."""
    return "nondistributable" in media_type or ".foreign." in media_type


def is_layer(media_type: str) -> bool:
    """Whether a manifest's layer of this type is a root filesystem changeset."""
    return media_type in LAYERS
