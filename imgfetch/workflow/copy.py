"""What is pushed, by where it comes from: the store, or any source without going through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.errors import ImgfetchError, NetworkError, VerificationError
from imgfetch.oci.reference import Reference
from imgfetch.workflow.images import present_images
from imgfetch.workflow.push import Origin
from imgfetch.workflow.relay import as_file, verified_chunks
from imgfetch.workflow.verified import read_verified

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imgfetch.interfaces import ContentStore, ReferenceStore, Source
    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.digest import Digest
    from imgfetch.oci.reference import Repository
    from imgfetch.oci.unverified import Unverified
    from imgfetch.workflow.resolve import Documents


def from_source(
    source: Source,
    documents: Documents,
    *,
    mountable: str | None = None,
    referrers: Callable[[Digest], Sequence[Descriptor]],
) -> Origin:
    """Images of a source, whose blobs go through memory a piece at a time.

    Args:
        source: where the blobs are.
        documents: the source's documents.
        mountable: the source's own repository, where it is in the destination's registry.
        referrers: what refers to a manifest at the source.
    """
    return Origin(
        documents,
        lambda blob: as_file(lambda: _passing(source.fetch(blob))),
        lambda _: mountable,
        referrers,
    )


def _passing(content: Unverified) -> Iterator[bytes]:
    try:
        yield from verified_chunks(content)
    except VerificationError as error:
        if not content.elsewhere():
            raise
        # The upload has to begin anew, as after a transfer that broke.
        raise NetworkError(error.message, transient=True) from error


def from_store(
    store: ContentStore, references: ReferenceStore, documents: Documents, target: Repository
) -> Origin:
    """Images of the store.

    Args:
        store: where the blobs are.
        references: the names in the store, which tell what the registry may have elsewhere.
        documents: the store's documents.
        target: the repository that is pushed to.
    """
    known: dict[Digest, str] = {}
    for name, descriptor in references.entries():
        repository = _repository(name)
        if repository is None or repository.registry != target.registry or repository == target:
            continue
        for image in present_images(documents, descriptor):
            for blob in (image.manifest.config, *image.manifest.layers):
                known[blob.digest] = repository.path
    return Origin(
        documents,
        lambda blob: as_file(lambda: read_verified(store, blob)),
        lambda blob: known.get(blob.digest),
        lambda digest: _stored_referrers(references, documents, digest),
    )


def _repository(name: str | None) -> Repository | None:
    try:
        return Reference.parse(name).repository if name else None
    except ImgfetchError:
        return None


def _stored_referrers(
    references: ReferenceStore, documents: Documents, subject: Digest
) -> list[Descriptor]:
    """The entries of the store whose subject is some manifest."""
    found = []
    for _, descriptor in references.entries():
        try:
            document = documents.manifest(descriptor)
        except ImgfetchError:
            continue
        if document.subject is not None and document.subject.digest == subject:
            found.append(descriptor)
    return found
