"""Verbs that send images to registries, and those that ask what is there."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgfetch import remedies
from imgfetch.client.image_verbs import PinnedImage
from imgfetch.errors import InvalidReferenceError, NotInStoreError, UsageError
from imgfetch.oci.transport import PathName, RegistryName, StoreName, parse_image_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imgfetch.client.collaborators import Collaborators
    from imgfetch.interfaces import Source
    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.digest import Digest
    from imgfetch.oci.reference import Reference
    from imgfetch.oci.transport import ImageName
    from imgfetch.registry.repository import PlacedRepository
    from imgfetch.workflow.push import Origin

    Referrers = Callable[[Digest], Sequence[Descriptor]]


@dataclass(frozen=True, slots=True)
class Publishing:
    """What of an image goes to a registry.

    Attributes:
        platform: the one to choose from several; None for this machine's.
        all_platforms: everything that the name stands for.
        referrers: what refers to any of it, too.
        source_creds: ``user:password`` for the registry that is copied from.
    """

    platform: str | None = None
    all_platforms: bool = False
    referrers: bool = False
    source_creds: str | None = None


def push(with_: Collaborators, name: str, destination: str, publishing: Publishing) -> PinnedImage:
    """See `RegistryVerbs.push`."""
    parsed = with_.parse(name, stored=True)
    if isinstance(parsed, RegistryName):
        parsed = StoreName(parsed.reference)
    return _publish(with_, parsed, destination, publishing)


def copy(with_: Collaborators, name: str, destination: str, publishing: Publishing) -> PinnedImage:
    """See `RegistryVerbs.copy`."""
    return _publish(with_, with_.parse(name), destination, publishing)


def _publish(
    with_: Collaborators, name: ImageName, destination: str, publishing: Publishing
) -> PinnedImage:
    from imgfetch.registry.push import RepositoryWriter
    from imgfetch.workflow.push import Pusher, choose
    from imgfetch.workflow.resolve import all_images

    locked = with_.locked_image(name)
    name = with_.exact(name)
    target = _target(with_, destination)
    place = placed_repository(with_, target, with_.settings.creds)
    with ExitStack() as stack:
        origin = origin_of(with_, stack, name, target, place, publishing)
        documents = origin.documents
        try:
            chosen = documents.top()
            if not publishing.all_platforms:
                platform = publishing.platform
                wanted = None if platform is None else with_.platform(platform)
                chosen = choose(documents, chosen, wanted, with_.platform(), str(name))
            if locked is not None:
                images = all_images(documents, chosen)
                locked.check(documents.top(), images, with_.settings.locked or "")
            if target.digest is not None and target.digest != chosen.digest:
                message = f"{destination} names another image than {name}"
                raise UsageError(message, expected=target.digest, actual=chosen.digest)
            writer = RepositoryWriter(place)
            pusher = Pusher(origin, writer, with_.progress, jobs=with_.settings.jobs)
            pusher.push(chosen, target.tag, referrers=publishing.referrers)
        except NotInStoreError as error:
            if publishing.all_platforms and isinstance(name, StoreName):
                error.hint = f"fetch it with: imgfetch pull --all-platforms {name.reference}"
            raise
    return PinnedImage(str(target.repository), chosen.digest)


def _target(with_: Collaborators, destination: str) -> Reference:
    parsed = parse_image_name(destination)
    if not isinstance(parsed, RegistryName):
        hint = "imgfetch save writes files and directories, imgfetch pull the store"
        message = f"{destination} is not in a registry"
        raise InvalidReferenceError(message, hint=hint)
    if with_.settings.offline:
        message = f"{destination}: a registry can't be reached while offline"
        raise UsageError(message, hint=remedies.ONLINE)
    return parsed.reference


def placed_repository(
    with_: Collaborators, reference: Reference, creds: str | None
) -> PlacedRepository:
    """A repository at its registry: mirrors take nothing, and lists of theirs may be old."""
    client = with_.registries.client(reference.repository.registry, creds)
    return client.placed(reference)[-1]


def origin_of(
    with_: Collaborators,
    stack: ExitStack,
    name: ImageName,
    target: Reference,
    destination: PlacedRepository,
    publishing: Publishing,
) -> Origin:
    """Where an image is read from, for as long as ``stack`` is open."""
    from imgfetch.cas.memory import MemoryStore
    from imgfetch.workflow.copy import from_source, from_store
    from imgfetch.workflow.resolve import Documents
    from imgfetch.workflow.stored import StoredSource

    if isinstance(name, StoreName):
        store = with_.store
        stack.enter_context(store.lease())
        stored = StoredSource(name.reference, store, store)
        documents = Documents(stored, store, with_.progress)
        return from_store(store, store, documents, target.repository)
    mountable = None
    if isinstance(name, RegistryName):
        creds = publishing.source_creds
        if creds is None and name.reference.repository.registry == target.repository.registry:
            creds = with_.settings.creds
        source, here = registry_source(with_, name.reference, creds)
        referrers_of = _referrers_at(here)
        if here.place.registry == destination.place.registry:
            mountable = here.place.repository
    else:
        source = _path_source(with_, name)
        referrers_of = _no_referrers(name)
    stack.callback(source.close)
    documents = Documents(source, MemoryStore(), with_.progress)
    return from_source(source, documents, mountable=mountable, referrers=referrers_of)


def registry_source(
    with_: Collaborators, reference: Reference, creds: str | None
) -> tuple[Source, PlacedRepository]:
    """An image where registries and mirrors have it, and the repository at its registry."""
    client = with_.registries.client(reference.repository.registry, creds)
    return client.source(reference), client.placed(reference)[-1]


def _path_source(with_: Collaborators, name: PathName) -> Source:
    opener = with_.remote(name)
    if opener is None:
        message = f"{name} can't be opened"
        raise NotInStoreError(message)
    return opener()


def _referrers_at(place: PlacedRepository) -> Referrers:
    from imgfetch.registry.referrers import referrers

    return lambda digest: referrers(place, digest)


def _no_referrers(name: PathName) -> Referrers:
    def refuse(digest: Digest) -> Sequence[Descriptor]:
        message = f"nobody knows what refers to {digest} in {name}"
        raise UsageError(message, hint="--referrers is for images in registries and in the store")

    return refuse


def tags(with_: Collaborators, name: str) -> list[str]:
    """See `RegistryVerbs.tags`."""
    from imgfetch.registry.tags import tags as all_tags

    reference = _in_registry(with_, name)
    return list(all_tags(placed_repository(with_, reference, with_.settings.creds)))


def referrers(
    with_: Collaborators, name: str, *, platform: str | None, artifact_type: str
) -> list[Descriptor]:
    """See `RegistryVerbs.referrers`."""
    from imgfetch.client.looking import documents_of
    from imgfetch.registry.referrers import referrers as all_referrers
    from imgfetch.workflow.resolve import select_image

    reference = _in_registry(with_, name)
    with documents_of(with_, RegistryName(reference), stored_first=False) as documents:
        top = documents.top()
        if platform is not None:
            top = select_image(documents, top, with_.platform(platform), name).descriptor
    place = placed_repository(with_, reference, with_.settings.creds)
    return list(all_referrers(place, top.digest, artifact_type))


def _in_registry(with_: Collaborators, name: str) -> Reference:
    parsed = with_.parse(name)
    if not isinstance(parsed, RegistryName):
        message = f"{name} is not in a registry"
        raise InvalidReferenceError(message, expected="HOST/REPOSITORY")
    if with_.settings.offline:
        message = f"{name}: a registry can't be reached while offline"
        raise UsageError(message, hint=remedies.ONLINE)
    return parsed.reference
