"""Verbs that look after the store: what is in it, who uses it, and what can go."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from imgfetch.client.looking import documents_of
from imgfetch.client.naming import reference_of
from imgfetch.errors import InvalidReferenceError, PolicyError, StoreError, StoreLockedError
from imgfetch.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Generator

    from imgfetch.cas.catalog import Catalog
    from imgfetch.cas.view import View
    from imgfetch.client.collaborators import Collaborators
    from imgfetch.workflow.evict import Candidate, Limits
    from imgfetch.workflow.images import StoredImage
    from imgfetch.workflow.prune import Snapshot


def images(with_: Collaborators) -> list[StoredImage]:
    """See `Client.images`."""
    from imgfetch.workflow.images import list_images
    from imgfetch.workflow.usage import with_usage

    with _view(with_) as view:
        return with_usage(list_images(with_.store, view), with_.store.last_used)


@contextmanager
def _view(with_: Collaborators) -> Generator[View]:
    """What is in the store now; what is found out about it is written down at the end."""
    from imgfetch.cas.catalog import Catalog
    from imgfetch.cas.view import View

    catalog = Catalog(with_.settings.store)
    yield View(with_.store, catalog)
    catalog.save()


def history(with_: Collaborators, name: str, platform: str | None) -> list[dict[str, Any]]:
    """See `Client.history`."""
    from imgfetch.workflow.images import history
    from imgfetch.workflow.resolve import select_image

    with documents_of(with_, with_.parse(name), stored_first=True) as documents:
        return history(select_image(documents, documents.top(), with_.platform(platform), name))


def pin(with_: Collaborators, name: str, *, pinned: bool) -> str:
    """See `Client.pin`."""
    reference = str(reference_of(with_.parse(name, stored=True)))
    with_.own_store.pin(reference, pinned=pinned)
    return reference


def tag(with_: Collaborators, name: str, new: str) -> str:
    """See `Client.tag`."""
    from imgfetch.workflow.resolve import Documents
    from imgfetch.workflow.stored import StoredSource

    reference = reference_of(with_.parse(name, stored=True))
    target = Reference.parse(new)
    if target.digest is not None:
        message = f"{new} has a digest in it, which can't be chosen"
        raise InvalidReferenceError(message, expected="NAME[:TAG]")
    store = with_.store
    with store.lease():
        source = StoredSource(reference, store, store)
        store.tag(str(target), Documents(source, store, with_.progress).top())
    return str(target)


def remove(with_: Collaborators, name: str, *, force: bool) -> list[str]:
    """See `Client.remove`."""
    from imgfetch.workflow.images import names_of, untag

    reference = reference_of(with_.parse(name, stored=True))
    if not force:
        names = names_of(reference, with_.store)
        _refuse_pinned(with_, names)
        _refuse_used(with_, names)
    return untag(reference, with_.store)


def _refuse_pinned(with_: Collaborators, names: list[str]) -> None:
    from imgfetch.oci.layout import is_pinned

    for name, descriptor in with_.own_store.entries():
        if name in names and is_pinned(descriptor):
            message = f"{name} is pinned"
            raise PolicyError(message, hint=f"imgfetch tag --unpin {name}, or use --force")


def _refuse_used(with_: Collaborators, names: list[str]) -> None:
    """Refuse to take the last names of an image that a container runs from."""
    from imgfetch.workflow.usage import containers_of, running

    by_snapshot = running(f"{with_.settings.store}/runs")
    if not by_snapshot:
        return
    stored = images(with_)
    kept = {entry.descriptor.digest for entry in stored if entry.name not in names}
    for entry in stored:
        if entry.name in names and entry.descriptor.digest not in kept:
            containers = containers_of(entry.platforms, by_snapshot)
            if containers:
                message = f"{entry.name} is used by container {', '.join(containers)}"
                hint = "wait for its end (rm it, if it is detached), or use --force"
                raise StoreError(message, hint=hint)


# Freeing


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was freed, or would be.

    Attributes:
        names: taken away, in this order.
        blobs: bytes of blobs.
        snapshots: names of unpacked layers.
        unpacked: bytes of those.
    """

    names: tuple[str, ...] = ()
    blobs: int = 0
    snapshots: tuple[str, ...] = ()
    unpacked: int = 0


def prune(with_: Collaborators, limits: Limits, *, dry_run: bool) -> Pruned:
    """See `Client.prune`."""
    from imgfetch.workflow.evict import Limits, choose

    names = [] if limits == Limits() else choose(_candidates(with_), limits)
    if dry_run:
        return _prospect(with_, names)
    for name in names:
        with_.own_store.untag(name)
    return replace(collect(with_), names=tuple(names))


def _prospect(with_: Collaborators, names: list[str]) -> Pruned:
    from imgfetch.cas.gc import freeable, garbage
    from imgfetch.workflow.images import list_images
    from imgfetch.workflow.prune import all_snapshots, unneeded

    with _view(with_) as view:
        files = garbage(with_.own_store, view, without=names)
        kept = [
            platform
            for entry in list_images(with_.store, view)
            if entry.name not in names
            for platform in entry.platforms
        ]
    snapshots = unneeded(all_snapshots(_snapshots(with_)), kept)
    return _pruned(sum(map(freeable, files)), snapshots, names)


def collect(with_: Collaborators) -> Pruned:
    """See `Client.collect`."""
    from imgfetch.cas.catalog import Catalog
    from imgfetch.cas.gc import collect

    catalog = Catalog(with_.settings.store)
    try:
        freed = collect(with_.own_store, content=with_.store, catalog=catalog)
    except StoreLockedError as error:
        with_.progress.warn(f"{error.message}: nothing was freed")
        return Pruned()
    snapshots = _prune_snapshots(with_, catalog)
    catalog.save()
    return _pruned(freed, snapshots)


def _prune_snapshots(with_: Collaborators, catalog: Catalog) -> list[Snapshot]:
    from imgfetch.cas.gc import abandoned_trees
    from imgfetch.cas.view import View
    from imgfetch.fs.beside import remove_abandoned
    from imgfetch.workflow.images import list_images
    from imgfetch.workflow.prune import prune_snapshots

    snapshots = _snapshots(with_)
    unpacked = os.path.isdir(snapshots)
    trees = abandoned_trees(with_.own_store.path)
    if not unpacked and not trees:
        return []
    stored = list_images(with_.store, View(with_.store, catalog))
    kept = [platform for entry in stored for platform in entry.platforms]
    _enter(with_)
    for tree in trees:
        remove_abandoned(tree)
    return prune_snapshots(snapshots, kept) if unpacked else []


def _pruned(blobs: int, snapshots: list[Snapshot], names: list[str] | None = None) -> Pruned:
    return Pruned(
        tuple(names or ()),
        blobs,
        tuple(sorted(f"{one.mapping}/{one.name}" for one in snapshots)),
        sum(one.size for one in snapshots),
    )


def _candidates(with_: Collaborators) -> list[Candidate]:
    """All names in one's own store, and what each of them keeps there."""
    from imgfetch.cas.catalog import Entry
    from imgfetch.workflow.evict import Candidate
    from imgfetch.workflow.images import list_images
    from imgfetch.workflow.prune import all_snapshots
    from imgfetch.workflow.usage import containers_of, running, with_usage

    own = with_.own_store
    serving: dict[str, list[Snapshot]] = {}
    for snapshot in all_snapshots(_snapshots(with_)):
        serving.setdefault(snapshot.serves, []).append(snapshot)
    by_snapshot = running(f"{with_.settings.store}/runs")
    own_names = {name for name, _ in own.entries()}
    own_content = own.digests()
    candidates = []
    with _view(with_) as view:
        for entry in with_usage(list_images(with_.store, view), with_.store.last_used):
            if entry.name not in own_names:
                continue
            reached = view.reach([Entry.of(entry.descriptor)])
            parts = {one: size for one, size in reached.items() if one in own_content}
            chains = {name for platform in entry.platforms for name in platform.chains}
            for snapshot in (one for chain in chains for one in serving.get(chain, ())):
                parts[f"{snapshot.mapping}/{snapshot.name}"] = snapshot.size
            # Entries without a name, and what is no image, are other tools'.
            foreign = entry.name is None or not entry.platforms
            used = bool(containers_of(entry.platforms, by_snapshot))
            needed = foreign or used or entry.pinned
            name = entry.name or str(entry.descriptor.digest)
            candidates.append(Candidate(name, entry.last_used or 0, parts, needed))
    return candidates


def _snapshots(with_: Collaborators) -> str:
    return f"{with_.settings.store}/snapshots"


def _enter(with_: Collaborators) -> None:
    """Be able to remove files of subordinate ids; root is so anyway."""
    if os.geteuid() != 0:
        from imgfetch.snapshot.userns import enter

        enter(search_path=with_.search_path, warn=with_.progress.warn)


# Room


@dataclass(frozen=True, slots=True)
class Room:
    """How many there are of something, and what they take.

    Attributes:
        count: how many.
        size: in bytes.
        reclaimable: bytes of those that nothing needs.
    """

    count: int
    size: int
    reclaimable: int


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """What a store takes of its file system.

    Attributes:
        store: its path.
        blobs: compressed layers and documents.
        snapshots: unpacked layers, by the sizes of their tar streams.
        partial: transfers that were broken off or are under way.
        free: bytes left on the file system; None where it does not tell.
    """

    store: str
    blobs: Room
    snapshots: Room
    partial: Room
    free: int | None


def disk_usage(with_: Collaborators) -> DiskUsage:
    """See `Client.disk_usage`."""
    from imgfetch.cas.check import sizes
    from imgfetch.cas.gc import freeable
    from imgfetch.fs.space import free
    from imgfetch.workflow.prune import all_snapshots

    own = with_.own_store
    nothing = Room(0, 0, 0)
    if not own.root.exists():
        return DiskUsage(own.path, nothing, nothing, nothing, None)
    prospect = _prospect(with_, [])
    with own.root.errors("read"):
        stored = sizes(own.root)
        ingest = own.root.ingest("")
        partial = [freeable(f"{ingest}{name}") for name in _names(ingest)]
        left = free(own.path).bytes
    snapshots = all_snapshots(_snapshots(with_))
    return DiskUsage(
        own.path,
        Room(len(stored), sum(stored), prospect.blobs),
        Room(len(snapshots), sum(one.size for one in snapshots), prospect.unpacked),
        Room(len(partial), sum(partial), 0),
        left,
    )


def _names(directory: str) -> list[str]:
    with suppress(FileNotFoundError):
        return os.listdir(directory)
    return []
