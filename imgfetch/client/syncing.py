"""`sync`: what a lock file names into the store, or on to another place."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from imgfetch import remedies
from imgfetch.client.locking import read_lock_file
from imgfetch.errors import NotFoundError, StoreError, UsageError
from imgfetch.oci.transport import PathName, RegistryName, StoreName, parse_image_name
from imgfetch.workflow.sync import Step

if TYPE_CHECKING:
    from imgfetch.client.collaborators import Collaborators, Store
    from imgfetch.client.publishing import Publishing
    from imgfetch.interfaces import Source
    from imgfetch.oci.digest import Digest
    from imgfetch.oci.reference import Reference
    from imgfetch.workflow.lockfile import LockedImage
    from imgfetch.workflow.push import Destination


def sync(with_: Collaborators, path: str, *, prune: bool, dry_run: bool) -> list[Step]:
    """See `Client.sync`."""
    from imgfetch.workflow.sync import plan

    locked = read_lock_file(path)
    store = with_.store
    online = not with_.settings.offline

    def is_complete(image: LockedImage) -> bool:
        return _is_stored(with_, image, path, store, attestations=online)

    extra = with_.own_store if prune else None
    if dry_run:
        return plan(locked, store, is_complete, extra)
    with store.lease():
        steps = plan(locked, store, is_complete, extra)
        fetched = []
        for step in steps:
            if step.image is not None and step.action != "keep":
                obtained = with_.obtain_locked(step.image, path, "missing")
                if step.action == "fetch" and online:
                    _take_attestations(with_, step.image, store)
                fetched.append((step, obtained))
        for step, obtained in fetched:
            store.tag(step.name, obtained.top)
        for step in steps:
            if step.action == "remove":
                store.untag(step.name)
    return steps


def sync_to(
    with_: Collaborators, path: str, place: str, publishing: Publishing, *, dry_run: bool
) -> list[Step]:
    """See `Client.sync_to`."""
    if place.startswith("oci:"):
        return _sync_to_layout(with_, path, place, publishing, dry_run=dry_run)
    return _sync_to_registry(with_, path, place, publishing, dry_run=dry_run)


def _is_stored(
    with_: Collaborators, image: LockedImage, path: str, store: Store, *, attestations: bool
) -> bool:
    """Whether a store has all platforms that are locked."""
    from imgfetch.workflow.attestations import are_complete
    from imgfetch.workflow.resolve import Documents

    try:
        obtained = with_.obtain_locked(image, path, "never", store=store)
    except StoreError:
        return False
    documents = Documents(None, store, with_.progress)
    subjects = [one.digest for one in image.platforms]
    return not attestations or are_complete(documents, store, obtained.top, subjects)


def _take_attestations(with_: Collaborators, image: LockedImage, store: Store) -> None:
    """Fetch what the index says about its images; what is gone is done without."""
    opener = with_.remote(RegistryName(image.pinned))
    if opener is None:
        return
    from imgfetch.workflow import attestations
    from imgfetch.workflow.pull import fetch_all
    from imgfetch.workflow.resolve import Documents

    source = opener()
    try:
        documents = Documents(source, store, with_.progress)
        subjects = [one.digest for one in image.platforms]
        found = attestations.present(documents, documents.top(), subjects)
        blobs = attestations.blobs(found)
        fetch_all(blobs, source=source, store=store, progress=with_.progress)
    except NotFoundError as error:
        with_.progress.warn(f"an attestation of {image.reference} is missing: {error.message}")
    finally:
        source.close()


# To a layout


def _sync_to_layout(
    with_: Collaborators, path: str, place: str, publishing: Publishing, *, dry_run: bool
) -> list[Step]:
    from imgfetch.workflow.sync import plan

    name = parse_image_name(place)
    if not isinstance(name, PathName) or name.ref is not None:
        message = f"{place} is not a directory for several images"
        raise UsageError(message, expected="oci:DIR")
    if publishing.referrers:
        message = "--referrers is for registries: a layout has no list of them"
        raise UsageError(message)
    locked = read_lock_file(path)
    layout = with_.open_store(name.path)
    steps = [
        Step(step.name, "keep" if step.action == "keep" else "copy", step.digest, step.image)
        for step in plan(
            locked,
            layout,
            lambda image: _is_stored(with_, image, path, layout, attestations=False),
        )
    ]
    if dry_run:
        return steps
    with with_.store.lease(), layout.lease():
        for step in steps:
            if step.image is not None and step.action == "copy":
                _copy_to_layout(with_, step.image, path, layout, publishing)
    return steps


def _copy_to_layout(
    with_: Collaborators, image: LockedImage, path: str, layout: Store, publishing: Publishing
) -> None:
    from imgfetch.client.publishing import registry_source
    from imgfetch.workflow import attestations
    from imgfetch.workflow.pull import fetch_all
    from imgfetch.workflow.resolve import Documents, select_image
    from imgfetch.workflow.stored import StoredContentSource

    store, name = with_.store, str(image.reference)
    if with_.settings.offline or _is_stored(with_, image, path, store, attestations=False):
        source: Source = StoredContentSource(image.pinned, store, store)
    else:
        source, _ = registry_source(with_, image.pinned, publishing.source_creds)
    try:
        documents = Documents(source, layout, with_.progress)
        top = documents.top()
        images = [select_image(documents, top, one.platform, name) for one in image.platforms]
        image.check(top, images, path)
        subjects = [one.digest for one in image.platforms]
        blobs = attestations.blobs(attestations.present(documents, top, subjects))
        blobs += [layer for one in images for layer in one.manifest.layers]
        jobs = with_.settings.jobs
        fetch_all(blobs, source=source, store=layout, progress=with_.progress, jobs=jobs)
    finally:
        source.close()
    layout.tag(name, top)


# To a registry


def _sync_to_registry(
    with_: Collaborators, path: str, place: str, publishing: Publishing, *, dry_run: bool
) -> list[Step]:
    from imgfetch.client.publishing import placed_repository
    from imgfetch.registry.push import RepositoryWriter
    from imgfetch.workflow.deliver import check_place, destinations, is_delivered
    from imgfetch.workflow.push import Untouched

    check_place(place)
    if with_.settings.offline:
        message = f"{place}: a registry can't be reached while offline"
        raise UsageError(message, hint=remedies.ONLINE)
    locked = read_lock_file(path)
    targets = destinations(locked.images, place)
    steps = []
    with with_.store.lease():
        for image in locked.images:
            target = targets[str(image.reference)]
            writer = RepositoryWriter(placed_repository(with_, target, with_.settings.creds))
            digest, is_there = image.digest, is_delivered(image, target, writer)
            if publishing.referrers and is_there:
                # What refers to it may not be there.
                pushed = Untouched(writer) if dry_run else writer
                digest, is_there = _deliver(with_, image, path, target, pushed, publishing)
            elif not is_there and not dry_run:
                digest, _ = _deliver(with_, image, path, target, writer, publishing)
            steps.append(Step(str(target), "keep" if is_there else "copy", digest, image))
    return steps


def _deliver(
    with_: Collaborators,
    image: LockedImage,
    path: str,
    target: Reference,
    destination: Destination,
    publishing: Publishing,
) -> tuple[Digest, bool]:
    """Push from the store if it has the image, else from where it was locked.

    Returns:
        What the tag stands for, and whether all of it was there already.
    """
    from imgfetch.client.publishing import origin_of, placed_repository
    from imgfetch.interfaces import NoProgress
    from imgfetch.workflow.deliver import deliver, outside
    from imgfetch.workflow.push import Pusher, Untouched

    stored = _is_stored(with_, image, path, with_.store, attestations=False)
    name = StoreName(image.pinned) if stored else RegistryName(image.pinned)
    place = placed_repository(with_, target, with_.settings.creds)
    with ExitStack() as stack:
        origin = origin_of(with_, stack, name, target, place, publishing)
        pusher = Pusher(
            origin,
            destination,
            NoProgress() if isinstance(destination, Untouched) else with_.progress,
            jobs=with_.settings.jobs,
            leave_out=outside(image, origin.documents),
        )
        documents, referrers = origin.documents, publishing.referrers
        digest = deliver(image, pusher, documents, target.tag, referrers=referrers)
        return digest, not pusher.sent
