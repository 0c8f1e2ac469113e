"""Images of the store to an archive or a directory."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from imgfetch.archive.forms import SavedImage, members
from imgfetch.archive.output import Target, open_output, staged_directory
from imgfetch.archive.writer import write_tarball, write_tree
from imgfetch.errors import NotInStoreError, UsageError
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.manifest import Manifest
from imgfetch.workflow.attestations import blobs, present
from imgfetch.workflow.resolve import DEPTH_LIMIT
from imgfetch.workflow.verified import read_verified

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgfetch.archive.forms import Form
    from imgfetch.interfaces import ContentStore
    from imgfetch.oci.digest import Digest
    from imgfetch.oci.image import Image
    from imgfetch.oci.manifest import Index
    from imgfetch.oci.platform import Platform
    from imgfetch.oci.reference import Reference
    from imgfetch.tar.compressor import Compression
    from imgfetch.workflow.obtain import Obtained
    from imgfetch.workflow.resolve import Documents

_DIRECTORIES = frozenset({"oci", "dir"})


def save(
    images: Sequence[SavedImage],
    form: Form,
    target: Target,
    *,
    store: ContentStore,
    compression: Compression = "none",
) -> None:
    """Write images in one of the forms; the same images give the same bytes.

    Args:
        images: with all their blobs in the store, but those that are left out.
        form: see `imgfetch.archive.forms`.
        target: what to write.
        store: where the blobs are.
        compression: around a tar.

    Raises:
        UsageError: the form has no room for this, or the target is none.
        NoSpaceError: no space left; nothing of a new file or directory stays.
        StoreError: a blob is missing or damaged, or the target can't be written.
    """
    files = members(form, images)
    read_blob = partial(read_verified, store)
    if form not in _DIRECTORIES:
        with open_output(target, compression) as write:
            write_tarball(files, read_blob, write)
        return
    if isinstance(target, int):
        message = f"the form {form} is a directory, which can't be written to a stream"
        raise UsageError(message, hint="use --as oci-archive, or name a directory")
    if compression != "none":
        message = f"the form {form} is a directory, which can't be compressed"
        raise UsageError(message)
    with staged_directory(target) as directory:
        write_tree(files, read_blob, directory)


def to_be_saved(
    documents: Documents,
    obtained: Obtained,
    reference: Reference,
    preferred: Platform,
    store: ContentStore,
    *,
    leave_out_foreign: bool = False,
) -> SavedImage:
    """An image with the documents that lead to it.

    An index stays what it is, whatever of its platforms is saved: its digest is what
    others know the image by. What is said about the images goes along if it is in the store.

    Args:
        documents: of the store.
        obtained: what the name stands for, and the platforms wanted.
        reference: the name.
        preferred: whose image docker is told about, of several.
        store: where the blobs are.
        leave_out_foreign: whether layers that may not be given to others are.
    """
    wanted = {image.descriptor.digest for image in obtained.images}
    found = dict(_leading_to(documents, obtained.top, wanted, DEPTH_LIMIT))
    top = next(descriptor for descriptor in found if descriptor.digest == obtained.top.digest)
    foreign = frozenset(
        layer.digest
        for image in obtained.images
        for layer in image.manifest.layers
        if leave_out_foreign and mediatype.is_nondistributable(layer.media_type)
    )
    attestations = [
        (entry, manifest)
        for entry, manifest in present(documents, obtained.top, wanted)
        if all(map(store.contains, blobs([(entry, manifest)])))
    ]
    found |= {_own(entry, manifest): manifest.raw for entry, manifest in attestations}
    shown = min(obtained.images, key=lambda image: _distance(image, preferred))
    return SavedImage(
        reference,
        top,
        tuple(found.items()),
        obtained.images,
        shown,
        foreign,
        attached=tuple(blobs(attestations)),
    )


def _leading_to(
    documents: Documents, descriptor: Descriptor, wanted: set[Digest], depth: int
) -> list[tuple[Descriptor, bytes]]:
    """The documents from one down to those wanted, each with its own media type."""
    try:
        document = documents.manifest(descriptor)
    except NotInStoreError:
        return []  # another platform's
    here = _own(descriptor, document)
    if isinstance(document, Manifest):
        return [(here, document.raw)] if descriptor.digest in wanted else []
    if depth == 0:
        return []
    below = [
        found
        for entry in document.manifests
        if entry.may_be_image
        for found in _leading_to(documents, entry, wanted, depth - 1)
    ]
    return [(here, document.raw), *below] if below else []


def _own(descriptor: Descriptor, document: Manifest | Index) -> Descriptor:
    return Descriptor(document.media_type, descriptor.digest, descriptor.size)


def _distance(image: Image, preferred: Platform) -> tuple[bool, int]:
    rank = preferred.rank(image.config.platform)
    return (rank is None, rank or 0)
