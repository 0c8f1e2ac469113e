"""Sending what a lock file names to another place: under which names, and what of it.

An image keeps its digests wherever it goes, so that what is locked here is locked there. Of
an index goes what is locked; the index itself stays as it is, with entries that lead nowhere.
Registries may refuse that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.errors import InvalidReferenceError, NotFoundError, RegistryError, UsageError
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.reference import Reference, Repository
from imgfetch.workflow.attestations import is_there, subject_of
from imgfetch.workflow.resolve import select_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Protocol

    from imgfetch.oci.digest import Digest
    from imgfetch.workflow.lockfile import LockedImage
    from imgfetch.workflow.push import Pusher
    from imgfetch.workflow.resolve import Documents

    class Tagged(Protocol):
        """A repository that can be asked what is in it."""

        def tagged(self, tag: str) -> Digest | None:
            """What a tag is said to stand for."""
            ...

        def has(self, descriptor: Descriptor) -> bool:
            """Whether a blob or a manifest is there."""
            ...


_REFUSALS = frozenset({400, 404, 422})


def destinations(images: Iterable[LockedImage], place: str) -> dict[str, Reference]:
    """Where images go to, by the references that they are locked under.

    The registry's name is replaced, and the path stays, as mirrors have it.

    Args:
        images: from a lock file.
        place: ``REGISTRY[/PREFIX]``.

    Raises:
        InvalidReferenceError: no such place can be.
        UsageError: two images would have the same name there.
    """
    registry, _, prefix = place.strip("/").partition("/")
    found: dict[str, Reference] = {}
    origins: dict[Reference, Reference] = {}
    for image in images:
        source = image.reference
        path = f"{prefix}/{source.repository.path}" if prefix else source.repository.path
        target = Reference(Repository(registry, path), source.tag, source.digest)
        other = origins.setdefault(target, source)
        if other != source:
            message = f"{other} and {source} would both be {target}"
            raise UsageError(message, hint="lock them in two files, for two prefixes")
        found[str(source)] = target
    return found


def check_place(place: str) -> None:
    """Refuse what is no ``REGISTRY[/PREFIX]``.

    Raises:
        InvalidReferenceError: it is not.
    """
    registry, _, prefix = place.strip("/").partition("/")
    if not ("." in registry or ":" in registry or registry == "localhost"):
        message = f"{place!r} names no registry"
        raise InvalidReferenceError(message, expected="REGISTRY[/PREFIX] or oci:DIR")
    Repository(registry, prefix or "x")


def is_delivered(image: LockedImage, target: Reference, repository: Tagged) -> bool:
    """Whether a repository has an image as it is locked, under its name."""
    locked = {one.digest for one in image.platforms}
    if target.tag is not None:
        # Where only one platform is locked, its manifest may have had to stand for the index.
        right = {image.digest, *(locked if len(locked) == 1 else ())}
        if repository.tagged(target.tag) not in right:
            return False
    elif not repository.has(Descriptor(image.media_type, image.digest, 0)):
        return False
    return all(
        repository.has(Descriptor(mediatype.OCI_MANIFEST, digest, 0))
        for digest in locked
        if digest != image.digest
    )


def outside(image: LockedImage, documents: Documents) -> Callable[[Descriptor], bool]:
    """Tells which entries of its indexes are not part of a locked image.

    Those are other platforms, what is said about them, and what the origin does not have.
    """
    locked = {str(one.digest) for one in image.platforms}

    def is_outside(entry: Descriptor) -> bool:
        if str(entry.digest) in locked:
            return False
        if entry.may_be_image and entry.media_type not in mediatype.INDEXES:
            return True
        subject = subject_of(entry)
        return (subject is not None and subject not in locked) or not is_there(documents, entry)

    return is_outside


def deliver(
    image: LockedImage, pusher: Pusher, documents: Documents, tag: str | None, *, referrers: bool
) -> Digest:
    """Push a locked image; digests stay.

    Where the registry takes no index of which something is missing, and one platform is
    locked, the tag stands for that platform's manifest.

    Args:
        image: from a lock file.
        pusher: leaves out what is `outside`.
        documents: the image's, from where it comes.
        tag: that it gets.
        referrers: push what refers to any of it, too.

    Returns:
        What the tag stands for.

    Raises:
        RegistryError: the registry takes it neither way.
    """
    top = documents.top()
    try:
        pusher.push(top, tag, referrers=referrers)
    except RegistryError as error:
        refused = error.status in _REFUSALS or isinstance(error, NotFoundError)
        if not refused or not pusher.left_out:
            raise
        if len(image.platforms) != 1 or tag is None:
            error.hint = (
                f"some registries take an index only with all of it; to lock all of it:"
                f" imgfetch lock --all-platforms {image.reference}"
            )
            raise
        platform = image.platforms[0].platform
        only = select_image(documents, top, platform, str(image.reference)).descriptor
        pusher.push(only, tag, referrers=referrers)
        return only.digest
    return top.digest
