"""Freeing what no image in the store needs any more."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgfetch.errors import StoreCorruptError
from imgfetch.snapshot.directory import SnapshotDirectory
from imgfetch.snapshot.flat import FLAT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgfetch.workflow.images import StoredPlatform


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An unpacked layer.

    Attributes:
        mapping: the ids that it was unpacked with.
        name: among those of that mapping.
        size: bytes of the uncompressed layers in it; 0 where nobody knows.
    """

    mapping: str
    name: str
    size: int

    @property
    def serves(self) -> str:
        """The chainID's digits, in whichever form the layers were unpacked."""
        return self.name.removeprefix(FLAT)


def all_snapshots(snapshots: str) -> list[Snapshot]:
    """Every unpacked layer.

    Args:
        snapshots: absolute path of the store's ``snapshots``.
    """
    try:
        mappings = sorted(os.listdir(snapshots))
    except FileNotFoundError:
        return []
    directories = {name: SnapshotDirectory(f"{snapshots}/{name}") for name in mappings}
    return [
        Snapshot(mapping, name, _size(directory, name))
        for mapping, directory in directories.items()
        for name in _names(directory)
    ]


def _names(directory: SnapshotDirectory) -> list[str]:
    try:
        return directory.names()
    except PermissionError:
        # Unpacked with other ids, of which one is its owner here: for who has them to see.
        return []


def _size(directory: SnapshotDirectory, name: str) -> int:
    try:
        return directory.record(name).size
    except StoreCorruptError:
        return 0


def unneeded(snapshots: Iterable[Snapshot], platforms: Iterable[StoredPlatform]) -> list[Snapshot]:
    """The unpacked layers that belong to none of some images."""
    live = {name for one in platforms for name in one.chains}
    return [snapshot for snapshot in snapshots if snapshot.serves not in live]


def prune_snapshots(snapshots: str, platforms: Iterable[StoredPlatform]) -> list[Snapshot]:
    """Remove unpacked layers that belong to none of some images, and what crashes have left.

    Has to be called in the namespaces that they were unpacked in: files of subordinate
    ids can't be removed from outside. What a container uses stays.

    Args:
        snapshots: absolute path of the store's ``snapshots``.
        platforms: those in the store.

    Returns:
        What was removed.
    """
    doomed = unneeded(all_snapshots(snapshots), platforms)
    removed: list[Snapshot] = []
    for mapping in sorted(os.listdir(snapshots)):
        directory = SnapshotDirectory(f"{snapshots}/{mapping}")
        directory.collect()
        removed += _remove(directory, [one for one in doomed if one.mapping == mapping])
    return removed


def _remove(directory: SnapshotDirectory, doomed: list[Snapshot]) -> list[Snapshot]:
    """Remove snapshots from the top down: one that others are built on stays until then."""
    removed: list[Snapshot] = []
    while True:
        gone = [one for one in doomed if one not in removed and directory.remove(one.name)]
        if not gone:
            return removed
        removed += gone
