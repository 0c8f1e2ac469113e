"""Freeing what no image in the store needs any more."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from imgfetch.snapshot.directory import SnapshotDirectory
from imgfetch.snapshot.flat import FLAT
from imgfetch.snapshot.unpacker import chain_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgfetch.oci.image import Image


def prune_snapshots(snapshots: str, images: Iterable[Image]) -> list[str]:
    """Remove unpacked layers that belong to none of some images.

    Has to be called in the namespaces that they were unpacked in: files of subordinate
    ids can't be removed from outside. What a container uses stays.

    Args:
        snapshots: absolute path of the store's ``snapshots``.
        images: those in the store.

    Returns:
        The names of the snapshots removed.
    """
    live = {name for image in images for name in chain_names(image.layers)}
    live |= {f"{FLAT}{name}" for name in live}
    try:
        mappings = os.listdir(snapshots)
    except FileNotFoundError:
        return []
    removed: list[str] = []
    for mapping in mappings:
        directory = SnapshotDirectory(f"{snapshots}/{mapping}")
        removed += _remove(directory, [name for name in directory.names() if name not in live])
    return removed


def _remove(directory: SnapshotDirectory, names: list[str]) -> list[str]:
    """Remove snapshots from the top down: one that others are built on stays until then."""
    removed: list[str] = []
    while True:
        gone = [name for name in names if name not in removed and directory.remove(name)]
        if not gone:
            return removed
        removed += gone
