"""What builders say about the images of an index: entries of the index that are no images.

BuildKit lists them beside the images that they are about. Nobody needs them to run an image,
but many registries take an index only when all that it lists is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.errors import NotFoundError, NotInStoreError
from imgfetch.oci import mediatype
from imgfetch.oci.manifest import Index, Manifest
from imgfetch.workflow.resolve import DEPTH_LIMIT

if TYPE_CHECKING:
    from collections.abc import Collection

    from imgfetch.interfaces import ContentStore
    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.digest import Digest
    from imgfetch.workflow.resolve import Documents

_SUBJECT = "vnd.docker.reference.digest"

_ELSEWHERE = (NotInStoreError, NotFoundError)


def subject_of(entry: Descriptor) -> str | None:
    """The digest of what an attestation is about; None for other entries."""
    return entry.annotations.get(_SUBJECT) if entry.is_attestation else None


def is_there(documents: Documents, entry: Descriptor) -> bool:
    """Whether a document can be had."""
    try:
        documents.manifest(entry)
    except _ELSEWHERE:
        return False
    return True


def listed(
    documents: Documents, top: Descriptor, subjects: Collection[Digest], depth: int = DEPTH_LIMIT
) -> list[Descriptor]:
    """The entries that are about some images, wherever they are."""
    if depth == 0 or not is_there(documents, top):
        return []
    document = documents.manifest(top)
    if not isinstance(document, Index):
        return []
    wanted = set(map(str, subjects))
    found = []
    for entry in document.manifests:
        if subject_of(entry) in wanted:
            found.append(entry)
        elif entry.media_type in mediatype.INDEXES:
            found += listed(documents, entry, subjects, depth - 1)
    return found


def present(
    documents: Documents, top: Descriptor, subjects: Collection[Digest]
) -> list[tuple[Descriptor, Manifest]]:
    """The attestations about some images that can be had."""
    entries = [entry for entry in listed(documents, top, subjects) if is_there(documents, entry)]
    found = [(entry, documents.manifest(entry)) for entry in entries]
    return [(entry, document) for entry, document in found if isinstance(document, Manifest)]


def blobs(manifests: Collection[tuple[Descriptor, Manifest]]) -> list[Descriptor]:
    """What attestations consist of besides their manifests."""
    return [blob for _, manifest in manifests for blob in (manifest.config, *manifest.layers)]


def are_complete(
    documents: Documents, store: ContentStore, top: Descriptor, subjects: Collection[Digest]
) -> bool:
    """Whether everything that is said about some images is in a store."""
    found = present(documents, top, subjects)
    return len(found) == len(listed(documents, top, subjects)) and all(
        map(store.contains, blobs(found))
    )
