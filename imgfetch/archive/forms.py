"""What the forms hold in which images are saved, file by file; nothing is read or written here.

- ``oci``: a layout (image-spec image-layout.md).
- ``oci-archive``: the same in a tar, with the ``manifest.json`` that ``docker load`` and
  ``podman load`` understand beside it, as docker writes it since version 25.
- ``docker-archive``: ``manifest.json``, configs and layers, as every docker understands it. It
  has no place for manifests.
- ``dir``: one image, as skopeo leaves it in a directory.

Manifests, configs and layers are in there as they were received, compressed or not, so that
their digests stay what they are. The order depends on the images only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from imgfetch.archive.docker_archive import MANIFEST
from imgfetch.archive.layout import CONTAINERD_NAME
from imgfetch.archive.plain_directory import MANIFEST as DIRECTORY_MANIFEST
from imgfetch.archive.plain_directory import VERSION, VERSION_DOCUMENT, file_name
from imgfetch.errors import UsageError
from imgfetch.oci import layout, mediatype
from imgfetch.oci.descriptor import REF_NAME, Descriptor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from imgfetch.oci.digest import Digest
    from imgfetch.oci.image import Image
    from imgfetch.oci.reference import Reference

Form = Literal["oci-archive", "docker-archive", "oci", "dir"]

_SUFFIXES = {"gzip": ".tar.gz", "zstd": ".tar.zst"}


class Member(NamedTuple):
    """A file of an archive.

    Attributes:
        name: with slashes.
        content: a document, or what is in the store.
    """

    name: str
    content: bytes | Descriptor


@dataclass(frozen=True, slots=True)
class SavedImage:
    """An image to be saved under one name.

    Attributes:
        reference: the name.
        top: what it stands for; the media type is the document's own.
        documents: the indexes above the images, and manifests: the images' and what is
            said about them.
        images: those of its platforms that are saved.
        shown: the one of them that docker is told about, which knows one for each name.
        left_out: blobs that are not saved.
        attached: blobs of documents that are about the images.
    """

    reference: Reference
    top: Descriptor
    documents: tuple[tuple[Descriptor, bytes], ...]
    images: tuple[Image, ...]
    shown: Image
    left_out: frozenset[Digest] = field(default_factory=frozenset)
    attached: tuple[Descriptor, ...] = ()

    @property
    def blobs(self) -> list[Descriptor]:
        """Configs and layers, as often as they occur."""
        own = [
            blob
            for image in self.images
            for blob in (image.manifest.config, *image.manifest.layers)
            if blob.digest not in self.left_out
        ]
        return [*own, *self.attached]


def members(form: Form, images: Sequence[SavedImage]) -> list[Member]:
    """The files of an archive or a directory, each once.

    Raises:
        UsageError: several images for a form that has room for one.
    """
    ordered = sorted(images, key=lambda image: str(image.reference))
    match form:
        case "oci":
            return _layout(ordered)
        case "oci-archive":
            return [*_layout(ordered), _docker_manifest(ordered, _blob_name, _blob_name)]
        case "docker-archive":
            return _docker_archive(ordered)
        case "dir":
            return _directory(ordered)


def _layout(images: Sequence[SavedImage]) -> list[Member]:
    index = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_INDEX,
        "manifests": [_entry(image).to_json() for image in images],
    }
    documents = [
        Member(_blob_name(descriptor), raw)
        for image in images
        for descriptor, raw in image.documents
    ]
    blobs = [Member(_blob_name(blob), blob) for image in images for blob in image.blobs]
    return [
        Member(layout.MARKER, layout.MARKER_DOCUMENT),
        Member(layout.INDEX, _encode(index)),
        *_once(documents + blobs),
    ]


def _entry(image: SavedImage) -> Descriptor:
    # Both in full: docker and containerd read the one, skopeo, podman and we the other.
    name = str(image.reference)
    return replace(image.top, annotations={REF_NAME: name, CONTAINERD_NAME: name}, platform=None)


def _docker_archive(images: Sequence[SavedImage]) -> list[Member]:
    shown = [replace(image, images=(image.shown,)) for image in images]
    manifest = _docker_manifest(shown, _config_name, _layer_name)
    configs = [image.shown.manifest.config for image in shown]
    layers = [
        layer
        for image in shown
        for layer in image.shown.manifest.layers
        if layer.digest not in image.left_out
    ]
    files = [Member(_config_name(config), config) for config in configs]
    files += [Member(_layer_name(layer), layer) for layer in layers]
    return [manifest, *_once(files)]


def _docker_manifest(
    images: Sequence[SavedImage],
    config_name: Callable[[Descriptor], str],
    layer_name: Callable[[Descriptor], str],
) -> Member:
    tags: dict[Digest, list[str]] = {}
    shown: dict[Digest, Image] = {}
    for image in images:
        digest = image.shown.descriptor.digest
        shown[digest] = image.shown
        names = tags.setdefault(digest, [])
        if image.reference.digest is None:
            names.append(str(image.reference))
    document = [
        {
            "Config": config_name(image.manifest.config),
            "RepoTags": tags[digest] or None,
            "Layers": [layer_name(layer) for layer in image.manifest.layers],
        }
        for digest, image in shown.items()
    ]
    return Member(MANIFEST, _encode(document))


def _directory(images: Sequence[SavedImage]) -> list[Member]:
    if len(images) != 1:
        message = "the form dir has room for one image"
        raise UsageError(message, actual=len(images), hint="save each to a directory of its own")
    image = images[0]
    documents = [
        Member(
            DIRECTORY_MANIFEST if descriptor.digest == image.top.digest else file_name(descriptor),
            raw,
        )
        for descriptor, raw in image.documents
    ]
    blobs = [Member(file_name(blob), blob) for blob in image.blobs]
    return [Member(VERSION, VERSION_DOCUMENT), *_once(documents + blobs)]


def _blob_name(descriptor: Descriptor) -> str:
    return layout.blob_path(descriptor.digest)


def _config_name(descriptor: Descriptor) -> str:
    return f"{descriptor.digest.encoded}.json"


def _layer_name(descriptor: Descriptor) -> str:
    kind = descriptor.media_type.replace(".gzip", "+gzip").replace(".zstd", "+zstd")
    return f"{descriptor.digest.encoded}{_SUFFIXES.get(kind.rpartition('+')[2], '.tar')}"


def _once(files: Iterable[Member]) -> list[Member]:
    return sorted({file.name: file for file in files}.values())


def _encode(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
