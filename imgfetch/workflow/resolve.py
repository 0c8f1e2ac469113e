"""From a name to one platform's image: index, manifest and config, all verified.

Documents are ingested before they are parsed, whatever store is passed: a store in
memory for a mere look, the real one for a pull. Content that the store has already
is not transferred again, so the same code serves without a network.
"""

from __future__ import annotations

from imgfetch.errors import DocumentError, PlatformError, StoreCorruptError
from imgfetch.lean.dataclasses import replace
from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.oci.config import ImageConfig
from imgfetch.oci.document import CONFIG_LIMIT, MANIFEST_LIMIT
from imgfetch.oci.image import Image, check_is_image
from imgfetch.oci.manifest import Index, Manifest, parse
from imgfetch.oci.platform import Platform, select

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgfetch.interfaces import ContentStore, Progress, Source
    from imgfetch.oci.descriptor import Descriptor

# An index of indexes occurs (attestations put by buildx), a third level is rare and a
# fourth is a trap.
DEPTH_LIMIT = 4


class Documents:
    """The documents of one source, through a store that verifies them.

    Args:
        source: where they come from; None to see only what the store has.
        store: what verifies and keeps them.
        progress: told about each transfer.
    """

    def __init__(self, source: Source | None, store: ContentStore, progress: Progress) -> None:
        self._source = source
        self._store = store
        self._progress = progress

    def top(self) -> Descriptor:
        """The descriptor of what the name stands for; its document is in the store."""
        if self._source is None:
            message = "nothing to resolve without a source"
            raise ValueError(message)
        content = self._source.resolve()
        self._store.ingest(content, self._progress)
        if content.descriptor.media_type:
            return content.descriptor
        # Found in the store by its digest alone: the document itself tells what it is.
        media_type = self.manifest(content.descriptor).media_type
        return replace(content.descriptor, media_type=media_type)

    def manifest(self, descriptor: Descriptor) -> Manifest | Index:
        """A manifest or an index.

        Raises:
            DocumentError: malformed, or of another type than announced.
        """
        raw = self._read(descriptor, MANIFEST_LIMIT, "manifest")
        return parse(raw, descriptor.media_type, f"manifest {descriptor.digest}")

    def config(self, descriptor: Descriptor) -> ImageConfig:
        """An image's config.

        Raises:
            DocumentError: malformed.
        """
        raw = self._read(descriptor, CONFIG_LIMIT, "config")
        return ImageConfig.from_json(raw, f"config {descriptor.digest}")

    def image(self, descriptor: Descriptor, manifest: Manifest) -> Image:
        """The image of a manifest.

        Raises:
            UnsupportedContentError: an artifact, not an image.
            DocumentError: the config is malformed or not this manifest's.
        """
        check_is_image(descriptor, manifest)
        return Image(descriptor, manifest, self.config(manifest.config))

    def _read(self, descriptor: Descriptor, limit: int, what: str) -> bytes:
        if descriptor.size > limit:
            message = f"{what} {descriptor.digest} is too large"
            raise DocumentError(
                message, expected=f"at most {limit} bytes", actual=f"{descriptor.size} bytes"
            )
        if self._source is not None:
            if not self._store.contains(descriptor):
                self._fetch(descriptor, self._source)
            try:
                return self._store.read(descriptor, limit)
            except StoreCorruptError as error:
                # The store has discarded it: what is damaged is fetched like what is missing.
                self._progress.warn(f"{error.message}: it was damaged, and is fetched again")
                self._fetch(descriptor, self._source)
        return self._store.read(descriptor, limit)

    def _fetch(self, descriptor: Descriptor, source: Source) -> None:
        from imgfetch.workflow.ingest import ingest  # a warm run takes nothing in

        ingest(descriptor, source=source, store=self._store, progress=self._progress)


def select_image(documents: Documents, top: Descriptor, wanted: Platform, name: str) -> Image:
    """The image below ``top`` that runs best on a platform.

    Raises:
        PlatformError: there is none, or its config is for another platform.
        UnsupportedContentError: not an image.
        DocumentError: a document is malformed, or indexes nest too deeply.
    """
    image = _descend(documents, top, wanted, name, DEPTH_LIMIT)
    if wanted.rank(image.config.platform) is None:
        message = f"{name}: the image is for another platform"
        raise PlatformError(
            message,
            expected=wanted,
            actual=image.config.platform,
            hint=f"to use it all the same: --platform {image.config.platform}",
        )
    return image


def all_images(documents: Documents, top: Descriptor, depth: int = DEPTH_LIMIT) -> list[Image]:
    """Every image below ``top``, in order; attestations and artifacts left out."""
    document = _document(documents, top, depth)
    if isinstance(document, Manifest):
        return [documents.image(top, document)]
    images: dict[str, Image] = {}
    for entry in document.manifests:
        if entry.may_be_image:
            for image in all_images(documents, entry, depth - 1):
                images.setdefault(str(image.descriptor.digest), image)
    return list(images.values())


def _document(documents: Documents, descriptor: Descriptor, depth: int) -> Manifest | Index:
    if depth == 0:
        message = f"index {descriptor.digest}: indexes nested too deeply"
        raise DocumentError(message, expected=f"at most {DEPTH_LIMIT} levels")
    return documents.manifest(descriptor)


def _descend(
    documents: Documents, descriptor: Descriptor, wanted: Platform, name: str, depth: int
) -> Image:
    document = _document(documents, descriptor, depth)
    if isinstance(document, Manifest):
        return documents.image(descriptor, document)
    candidates = select(wanted, document.manifests)
    if candidates:
        return _descend(documents, candidates[0], wanted, name, depth - 1)
    undeclared = [
        entry for entry in document.manifests if entry.platform is None and entry.may_be_image
    ]
    return _by_config(documents, undeclared, wanted, name, depth) or _no_platform(
        wanted, name, document.manifests
    )


def _by_config(
    documents: Documents, entries: Iterable[Descriptor], wanted: Platform, name: str, depth: int
) -> Image | None:
    """Decide by the configs of entries that don't say what platform they are for."""
    best: tuple[int, Image] | None = None
    for entry in entries:
        try:
            image = _descend(documents, entry, wanted, name, depth - 1)
        except PlatformError:
            continue
        rank = wanted.rank(image.config.platform)
        if rank is not None and (best is None or rank < best[0]):
            best = (rank, image)
    return best[1] if best else None


def _no_platform(wanted: Platform, name: str, entries: Iterable[Descriptor]) -> Image:
    offered = sorted(
        {str(entry.platform) for entry in entries if entry.platform and not entry.is_attestation}
    )
    message = f"{name}: nothing for this platform"
    raise PlatformError(
        message,
        expected=wanted,
        actual=", ".join(offered) or "no platforms at all",
        hint="choose one with --platform" if offered else None,
    )
