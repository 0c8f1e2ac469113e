"""``docker-archive:``: what ``docker save`` and ``podman save`` write.

``manifest.json`` lists images: a config and layer archives by name. Since docker 25 the
archive is an OCI layout as well, and what that says is preferred: the digests are those of
the registry then. Otherwise a manifest is made here, of digests computed here; an OCI one,
since skopeo and umoci don't see any other in a layout.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imgfetch.archive.layout import CONTAINERD_NAME, listing, read_entries
from imgfetch.archive.members import read_document, unverified, unverified_bytes
from imgfetch.errors import (
    DocumentError,
    InvalidReferenceError,
    NotInStoreError,
    UnsupportedContentError,
    UsageError,
)
from imgfetch.oci import layout, mediatype
from imgfetch.oci.descriptor import REF_NAME, Descriptor
from imgfetch.oci.digest import Digest, new_hash
from imgfetch.oci.document import CONFIG_LIMIT, MANIFEST_LIMIT, load
from imgfetch.oci.manifest import Index, parse
from imgfetch.oci.reference import Reference
from imgfetch.oci.verify import verify
from imgfetch.tar.compression import sniff

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.archive.members import Members
    from imgfetch.oci.document import Object
    from imgfetch.oci.unverified import Unverified

MANIFEST = "manifest.json"
LEGACY = "repositories"

_DEPTH_LIMIT = 4
_DOCUMENTS_LIMIT = 1000
_LAYER_TYPES = {
    "none": mediatype.OCI_LAYER,
    "gzip": mediatype.OCI_LAYER_GZIP,
    "zstd": mediatype.OCI_LAYER_ZSTD,
}


@dataclass(frozen=True, slots=True)
class _Image:
    """An entry of ``manifest.json``: names of members."""

    config: str
    tags: tuple[str, ...]
    layers: tuple[str, ...]

    @classmethod
    def from_object(cls, value: Object) -> _Image:
        return cls(value.string("Config"), value.strings("RepoTags"), value.strings("Layers"))


class DockerArchiveSource:
    """A source: see `imgfetch.interfaces.Source`.

    Args:
        members: the archive's files.
        name: the image's name, for people and errors.
        ref: which image: a tag it has, or ``@N`` for the Nth from 0; None where there is
            only one.
    """

    def __init__(self, members: Members, name: str, ref: str | None) -> None:
        self.name = name
        self._members = members
        self._ref = ref
        self._documents: dict[Digest, bytes] = {}
        self._files: dict[Digest, str] = {}

    def resolve(self) -> Unverified:
        """See `imgfetch.interfaces.Source`.

        Raises:
            NotInStoreError: no image, none of that name, or a part of it is missing.
            UsageError: there are several, and no name tells which.
            ContentError: the archive's own documents are malformed, or contradict each
                other.
        """
        images = self._images()
        image = self._choose(images)
        raw_config = read_document(self._members, image.config, CONFIG_LIMIT)
        config = Descriptor.of(raw_config, mediatype.OCI_CONFIG)
        top = self._listed(image, config) or self._made(image, config)
        tag = _canonical(self._ref) or next(filter(None, map(_canonical, image.tags)), None)
        annotations = {} if tag is None else {REF_NAME: tag}
        return self.fetch(replace(top, annotations=annotations))

    def tags(self) -> list[tuple[str, ...]]:
        """The tags of all images, in order; the Nth is this archive's ``@N``.

        Raises:
            NotInStoreError: it is no docker archive.
            ContentError: it is malformed.
        """
        return [image.tags for image in self._images()]

    def fetch(self, descriptor: Descriptor) -> Unverified:
        """See `imgfetch.interfaces.Source`."""
        document = self._documents.get(descriptor.digest)
        if document is not None:
            return unverified_bytes(self._members, document, descriptor)
        path = layout.blob_path(descriptor.digest)
        return unverified(self._members, self._files.get(descriptor.digest, path), descriptor)

    def close(self) -> None:
        """See `imgfetch.interfaces.Source`."""
        self._members.close()

    # Which image

    def _images(self) -> list[_Image]:
        if self._members.size(MANIFEST) is None:
            if self._members.size(LEGACY) is not None:
                message = f"{self.name} was written by a docker before 1.10"
                raise UnsupportedContentError(message, hint="save the image again")
            message = f"{self.name} is not a docker archive: it has no {MANIFEST}"
            raise NotInStoreError(message)
        raw = read_document(self._members, MANIFEST, MANIFEST_LIMIT)
        # A list on top, where all other documents have an object.
        what = f"{self.name}: {MANIFEST}"
        wrapped = load(b'{"images":' + raw + b"}", what, limit=MANIFEST_LIMIT + 20)
        return [_Image.from_object(value) for value in wrapped.objects("images")]

    def _choose(self, images: list[_Image]) -> _Image:
        ref = self._ref
        if ref is None:
            found = images
        elif ref.startswith("@"):
            found = [image for number, image in enumerate(images) if ref == f"@{number}"]
        else:
            wanted = _canonical(ref)
            found = [
                image
                for image in images
                if ref in image.tags or (wanted and wanted in map(_canonical, image.tags))
            ]
        if len(found) == 1:
            return found[0]
        tags = [tag for image in images for tag in image.tags]
        candidates = listing(tags or [f"@{number}" for number in range(len(images))])
        if not found:
            message = f"{self.name}: there is no {'such ' if ref else ''}image in it"
            raise NotInStoreError(message, actual=candidates or None)
        message = f"{self.name}: there are several images in it"
        raise UsageError(
            message, actual=candidates, hint="add :NAME:TAG, or :@N for the Nth from 0"
        )

    # What docker 25 and later say of it

    def _listed(self, image: _Image, config: Descriptor) -> Descriptor | None:
        """The entry of ``index.json`` with this config, if it is an OCI layout as well."""
        if self._members.size(layout.MARKER) is None or self._members.size(layout.INDEX) is None:
            return None
        entries = read_entries(self._members)
        # Of several entries the one of that name: images may share a config.
        names = {self._ref, *image.tags, *map(_canonical, image.tags)} - {None}
        entries = tuple(
            sorted(entries, key=lambda entry: entry.annotations.get(CONTAINERD_NAME) not in names)
        )
        for entry in entries:
            for layers in self._layers_of(entry, config.digest):
                self._check_same(image, layers)
                return entry
        return None

    def _layers_of(self, entry: Descriptor, config: Digest) -> Iterator[tuple[Descriptor, ...]]:
        """The layers of manifests below an entry that have a certain config."""
        waiting = [(entry, 0)]
        seen = 0
        while waiting and seen < _DOCUMENTS_LIMIT:
            descriptor, depth = waiting.pop()
            path = layout.blob_path(descriptor.digest)
            if self._members.size(path) is None:
                continue  # another platform's
            seen += 1
            raw = verify(
                descriptor,
                read_document(self._members, path, MANIFEST_LIMIT),
                f"{self.name}: {path}",
            )
            document = parse(raw, descriptor.media_type, f"{self.name}: {path}")
            if not isinstance(document, Index):
                if document.config.digest == config:
                    yield document.layers
            elif depth < _DEPTH_LIMIT:
                waiting.extend((child, depth + 1) for child in document.manifests)

    def _check_same(self, image: _Image, layers: tuple[Descriptor, ...]) -> None:
        named = [layout.blob_path(layer.digest) for layer in layers]
        if len(image.layers) != len(layers) or (
            all(name.startswith(f"{layout.BLOBS}/") for name in image.layers)
            and list(image.layers) != named
        ):
            message = f"{self.name}: {MANIFEST} and {layout.INDEX} disagree on the layers"
            raise DocumentError(message, expected=f"{len(layers)} layers", actual=len(image.layers))

    # What is made here otherwise

    def _made(self, image: _Image, config: Descriptor) -> Descriptor:
        """A manifest for what has none."""
        self._files[config.digest] = image.config
        # The same file twice is one layer twice, and read once.
        described = {path: self._describe(path) for path in dict.fromkeys(image.layers)}
        layers = [described[path] for path in image.layers]
        document = {
            "schemaVersion": 2,
            "mediaType": mediatype.OCI_MANIFEST,
            "config": config.to_json(),
            "layers": [layer.to_json() for layer in layers],
        }
        raw = json.dumps(document, separators=(",", ":")).encode()
        descriptor = Descriptor.of(raw, mediatype.OCI_MANIFEST)
        self._documents[descriptor.digest] = raw
        return descriptor

    def _describe(self, path: str) -> Descriptor:
        hashed = new_hash("sha256")
        size = 0
        kind = "none"
        for chunk in self._members.stream(path, 0):
            if not size:
                kind = sniff(chunk)
            hashed.update(chunk)
            size += len(chunk)
        if kind not in _LAYER_TYPES:
            message = f"{self.name}: layer {path} is compressed with {kind}"
            raise UnsupportedContentError(message, expected="gzip, zstd or none")
        descriptor = Descriptor(_LAYER_TYPES[kind], Digest("sha256", hashed.hexdigest()), size)
        self._files[descriptor.digest] = path
        return descriptor


def _canonical(tag: str | None) -> str | None:
    """A tag in full, as docker would complete it; None where it is no reference."""
    if tag is None or tag.startswith("@"):
        return None
    try:
        return str(Reference.parse(tag))
    except InvalidReferenceError:
        return None
