"""Checking the store, and repairing what can be repaired: ``fsck``."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from imgfetch.errors import ImgfetchError, StoreCorruptError
from imgfetch.oci.reference import Reference
from imgfetch.oci.transport import RegistryName

if TYPE_CHECKING:
    from imgfetch.client.collaborators import Collaborators
    from imgfetch.workflow.fsck import Damage


def check(with_: Collaborators, *, repair: bool) -> list[Damage]:
    """See `Client.check`."""
    if not with_.own_store.root.exists():
        return []
    with with_.own_store.lease():
        found = _check_blobs(with_, repair=repair)
        found += _check_names(with_, found, repair=repair)
        return found + _check_snapshots(with_, repair=repair)


def _check_blobs(with_: Collaborators, *, repair: bool) -> list[Damage]:
    from imgfetch.cas.check import quarantine
    from imgfetch.workflow.fsck import check_blobs

    root = with_.own_store.root
    found = []
    for damage in check_blobs(root):
        aside = quarantine(root, f"{root.path}/{damage.name}") if repair else None
        found.append(replace(damage, repaired=aside and f"set aside: {aside}"))
    return found


def _check_names(with_: Collaborators, found: list[Damage], *, repair: bool) -> list[Damage]:
    from imgfetch.cas.reader import LayoutReader
    from imgfetch.workflow.fsck import Damage, Intact, check_names

    own = with_.own_store
    damaged = {damage.digest for damage in found if damage.digest is not None}
    # Readers discard nothing: damage that is only looked at stays where it is.
    stores = [LayoutReader(path) for path in (own.path, *with_.settings.store_ro)]
    try:
        names = list(check_names(own, Intact(stores, damaged)))
    except StoreCorruptError as error:
        done = _renew_index(with_) if repair else None
        return [Damage("index", "index.json", error.message, done)]
    return [_fetch_again(with_, damage) if repair else damage for damage in names]


def _renew_index(with_: Collaborators) -> str:
    """Set a damaged index aside. Names are lost, content stays until the next ``prune``."""
    from imgfetch.cas.check import quarantine

    own = with_.own_store
    with own.root.locks.changing_index():
        aside = quarantine(own.root, f"{own.path}/index.json")
    with_.open_store(own.path).root.create()
    return f"set aside: {aside}; pull images again to name them"


def _fetch_again(with_: Collaborators, damage: Damage) -> Damage:
    """Fetch what is missing of an image, if its name is one of a registry."""
    own = with_.own_store
    try:
        reference = Reference.parse(damage.name)
        top = own.lookup(damage.name)
        if top is None or with_.settings.offline:
            return damage
        name = RegistryName(reference.with_digest(top.digest))
        with_.obtain_unlocked(name, (with_.platform(),), "missing")
    except ImgfetchError as error:
        with_.progress.warn(f"{damage.name}: {error.message}")
        return damage
    return replace(damage, repaired="fetched again")


def _check_snapshots(with_: Collaborators, *, repair: bool) -> list[Damage]:
    from imgfetch.workflow.fsck import check_snapshots, discard_snapshot

    snapshots = f"{with_.settings.store}/snapshots"
    found = list(check_snapshots(snapshots))
    if not repair or not found:
        return found
    if os.geteuid() != 0:
        from imgfetch.snapshot.userns import enter

        enter(search_path=with_.search_path, warn=with_.progress.warn)
    repaired: dict[str, Damage] = {}
    # What was built on a snapshot that had to go has to go too.
    while new := [one for one in check_snapshots(snapshots) if one.name not in repaired]:
        for damage in new:
            gone = discard_snapshot(snapshots, damage)
            done = "removed; the next run unpacks it again" if gone else None
            repaired[damage.name] = replace(damage, repaired=done)
    return list(repaired.values())
