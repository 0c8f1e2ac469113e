"""What is in the store: lists, documents, and taking names away."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imgfetch.cas.catalog import Entry
from imgfetch.errors import ImgfetchError, NotInStoreError
from imgfetch.oci.config import History
from imgfetch.oci.digest import Digest
from imgfetch.oci.layout import is_pinned
from imgfetch.oci.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imgfetch.cas.view import View
    from imgfetch.interfaces import ReferenceStore
    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.image import Image, Layer
    from imgfetch.oci.reference import Reference
    from imgfetch.workflow.resolve import Documents


@dataclass(frozen=True, slots=True)
class StoredPlatform:
    """An image for one platform, in the store.

    Attributes:
        platform: its name.
        digest: of its manifest.
        size: bytes of its config and layers.
        blobs: these, by digest, with their sizes.
        chains: the names of the stacks of its layers, the lowest first.
    """

    platform: str
    digest: Digest
    size: int
    blobs: Mapping[str, int]
    chains: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A name in the store and what of it is there.

    Attributes:
        name: None for an entry without one.
        descriptor: what the name stands for.
        platforms: those whose documents are there.
        shared_size: bytes of its blobs that other images have too.
        last_used: seconds since the epoch, to a day; None where nobody knows.
    """

    name: str | None
    descriptor: Descriptor
    platforms: tuple[StoredPlatform, ...]
    shared_size: int = 0
    last_used: float | None = None

    @property
    def blobs(self) -> Mapping[str, int]:
        """All its configs and layers, each once, with their sizes."""
        if len(self.platforms) == 1:
            return self.platforms[0].blobs
        return {digest: size for one in self.platforms for digest, size in one.blobs.items()}

    @property
    def size(self) -> int:
        """Bytes of all its configs and layers, each counted once."""
        return sum(self.blobs.values())

    @property
    def pinned(self) -> bool:
        """Whether the name is removed by hand only."""
        return is_pinned(self.descriptor)


def list_images(references: ReferenceStore, view: View) -> list[StoredImage]:
    """All names, in the store's order.

    An index is kept with those of its manifests that were pulled: the others are
    left out here. So is whatever is in the layout and is no image.
    """
    return [
        StoredImage(name, descriptor, tuple(_platforms(view, descriptor)))
        for name, descriptor in references.entries()
    ]


def _platforms(view: View, top: Descriptor) -> Iterator[StoredPlatform]:
    for digest, config, blobs in view.images(Entry.of(top)):
        found = top.digest if digest == str(top.digest) else Digest.parse(digest)
        yield StoredPlatform(config.platform, found, config.size, blobs, config.chains)


def present_images(documents: Documents, top: Descriptor) -> tuple[Image, ...]:
    """The images below ``top`` whose documents are in the store."""
    try:
        document = documents.manifest(top)
    except ImgfetchError:
        return ()
    if isinstance(document, Manifest):
        try:
            return (documents.image(top, document),)
        except ImgfetchError:
            return ()
    found: dict[Digest, Image] = {}
    for entry in document.manifests:
        if not entry.is_attestation:
            for image in present_images(documents, entry):
                found.setdefault(image.descriptor.digest, image)
    return tuple(found.values())


def describe(name: str, top: Descriptor, image: Image) -> dict[str, Any]:
    """An image's documents as one JSON value, its fields documented in the README."""
    return {
        "name": name,
        "digest": str(image.descriptor.digest),
        "mediaType": image.manifest.media_type,
        "indexDigest": str(top.digest) if top.digest != image.descriptor.digest else None,
        "platform": str(image.config.platform),
        "created": image.config.created or None,
        "size": image.size,
        "layers": [
            {
                "digest": str(layer.descriptor.digest),
                "diffID": str(layer.diff_id),
                "mediaType": layer.descriptor.media_type,
                "size": layer.descriptor.size,
            }
            for layer in image.layers
        ],
        "manifest": json.loads(image.manifest.raw),
        "config": json.loads(image.config.raw),
    }


def names_of(reference: Reference, references: ReferenceStore) -> list[str]:
    """The name itself, or for a digest every name of that repository for it."""
    if reference.digest is None:
        return [str(reference)]
    prefix = f"{reference.repository}"
    return [
        name
        for name, descriptor in references.entries()
        if name is not None
        and descriptor.digest == reference.digest
        and name.startswith((f"{prefix}:", f"{prefix}@"))
    ]


def untag(reference: Reference, references: ReferenceStore) -> list[str]:
    """Take a name away, or with a digest every name of that repository for it.

    Returns:
        The names taken away.

    Raises:
        NotInStoreError: no such name.
    """
    names = names_of(reference, references)
    removed = [name for name in names if references.untag(name) is not None]
    if not removed:
        message = f"{reference} is not in the store"
        raise NotInStoreError(message, hint="imgfetch images lists what is")
    return removed


def steps(image: Image) -> Iterator[tuple[History, Layer | None]]:
    """How an image was made, the lowest layer first: each step and the layer that it made.

    A config's history is free-form, and may be left out or be short of layers: those that
    no step accounts for follow with an empty one.
    """
    layers = iter(image.layers)
    for entry in image.config.history:
        yield entry, None if entry.empty_layer else next(layers, None)
    for layer in layers:
        yield History("", "", "", empty_layer=False), layer


def history(image: Image) -> list[dict[str, Any]]:
    """The same as JSON values, its fields documented with the command."""
    return [
        {
            "created": entry.created or None,
            "createdBy": entry.created_by,
            "comment": entry.comment,
            "layer": None if layer is None else str(layer.descriptor.digest),
            "size": 0 if layer is None else layer.descriptor.size,
        }
        for entry, layer in steps(image)
    ]
