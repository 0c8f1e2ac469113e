"""Images of an archive into the store, with their names.

Content goes the way of all content: the store verifies it, whatever the archive says.
Names are all given or none: they are checked before any layer is taken, and given when
everything that they stand for is there. A name that stands for something else already is
an error unless it may be moved, for an archive could call anything ``alpine:latest``
(CVE-2026-50195 class). Blobs of an archive that is refused may stay, without a name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imgfetch.errors import (
    DigestMismatchError,
    DocumentError,
    InvalidReferenceError,
    NotInStoreError,
    PolicyError,
)
from imgfetch.oci.manifest import Manifest
from imgfetch.oci.reference import Reference, Repository
from imgfetch.workflow.attestations import blobs, is_there, present
from imgfetch.workflow.pull import DEFAULT_JOBS, fetch_all
from imgfetch.workflow.resolve import DEPTH_LIMIT, Documents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imgfetch.interfaces import ContentStore, Progress, ReferenceStore, Source
    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.image import Image


@dataclass(frozen=True, slots=True)
class Loaded:
    """An image that an archive had.

    Attributes:
        source: where its layers are.
        references: its names in the store.
        top: what they stand for.
        images: its platforms, as far as the archive has them.
        attached: blobs of what is said about them, as far as the archive has that.
    """

    source: Source
    references: tuple[Reference, ...]
    top: Descriptor
    images: tuple[Image, ...]
    attached: tuple[Descriptor, ...] = ()


class Loader:
    """Takes images into a store.

    Args:
        store: where content ends up.
        references: where names are given.
        progress: told about each transfer.
        jobs: how many blobs are taken at once.
    """

    def __init__(
        self,
        store: ContentStore,
        references: ReferenceStore,
        progress: Progress,
        *,
        jobs: int = DEFAULT_JOBS,
    ) -> None:
        self._store = store
        self._references = references
        self._progress = progress
        self._jobs = jobs

    def load(
        self,
        listed: Iterable[tuple[Source, Sequence[str]]],
        fallback: Repository,
        *,
        force: bool,
    ) -> list[Loaded]:
        """Take all images, and give them their names.

        Args:
            listed: sources of one image each, and what the archive calls it.
            fallback: where images are kept whose names name no repository.
            force: whether names that stand for something else may be moved.

        Raises:
            PolicyError: a name would be moved; no name was given.
            ContentError: an image, or a name, that can't be.
            VerificationError: content that is not what it is said to be.
            NotInStoreError: content that the archive lacks.
        """
        loaded = [self._documents(source, names, fallback) for source, names in listed]
        names = _all_names(loaded)
        self._check_moves(names, force=force)
        for image in loaded:
            layers = [layer for platform in image.images for layer in platform.manifest.layers]
            layers += image.attached
            fetch_all(
                layers,
                source=image.source,
                store=self._store,
                progress=self._progress,
                jobs=self._jobs,
            )
        # Once more: taking the layers may have taken its time.
        self._check_moves(names, force=force)
        for name, top in names.items():
            if self._references.lookup(name) != top:
                self._references.tag(name, top)
        return loaded

    def _documents(self, source: Source, names: Sequence[str], fallback: Repository) -> Loaded:
        documents = Documents(source, self._store, self._progress)
        top = documents.top()
        document = documents.manifest(top)
        images = tuple(_present(documents, top, DEPTH_LIMIT))
        if not images:
            message = f"{source.name}: nothing of {top.digest} is in it"
            raise NotInStoreError(message)
        known = replace(top, media_type=document.media_type, annotations={}, platform=None)
        references = dict.fromkeys(_reference(name, fallback, source.name) for name in names)
        for reference in references:
            if reference.digest not in {None, top.digest}:
                message = f"{source.name}: an image is called {reference}, and is another"
                raise DigestMismatchError(message, expected=reference.digest, actual=top.digest)
        unnamed = Reference(fallback, None, top.digest)
        subjects = [image.descriptor.digest for image in images]
        attached = blobs(present(documents, top, subjects))
        return Loaded(source, tuple(references) or (unnamed,), known, images, tuple(attached))

    def _check_moves(self, names: Mapping[str, Descriptor], *, force: bool) -> None:
        if force:
            return
        for name, top in names.items():
            present = self._references.lookup(name)
            if present is not None and present.digest != top.digest:
                message = f"{name} stands for another image already; nothing was changed"
                raise PolicyError(
                    message,
                    expected=present.digest,
                    actual=top.digest,
                    hint="to let it stand for the archive's image: --force",
                )


def _present(documents: Documents, top: Descriptor, depth: int) -> list[Image]:
    """The images below ``top`` of which there is a manifest; others are elsewhere."""
    document = documents.manifest(top)
    if isinstance(document, Manifest):
        return [documents.image(top, document)]
    if depth == 0:
        message = f"index {top.digest}: indexes nested too deeply"
        raise DocumentError(message, expected=f"at most {DEPTH_LIMIT} levels")
    images: list[Image] = []
    for entry in document.manifests:
        if entry.may_be_image and is_there(documents, entry):
            images += _present(documents, entry, depth - 1)
    return list({image.descriptor.digest: image for image in images}.values())


def _reference(name: str, fallback: Repository, where: str) -> Reference:
    """What an archive calls an image, as a reference.

    A name without a slash is a tag of the archive's own: ``1.0`` in layouts of skopeo and
    umoci. In ``manifest.json`` and for containerd names are always whole.
    """
    try:
        if "/" in name or ":" in name:
            return Reference.parse(name)
        return Reference(fallback, name)
    except InvalidReferenceError as error:
        message = f"{where}: an image has a name that can't be: {error.message}"
        raise DocumentError(message, expected=error.expected) from error


def _all_names(loaded: Iterable[Loaded]) -> dict[str, Descriptor]:
    names: dict[str, Descriptor] = {}
    for image in loaded:
        for reference in image.references:
            name = str(reference)
            other = names.setdefault(name, image.top)
            if other.digest != image.top.digest:
                message = f"{image.source.name} has {name} twice"
                raise DocumentError(message, expected=other.digest, actual=image.top.digest)
    return names
