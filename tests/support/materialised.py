"""Layers as a tree to be looked at, in each of the ways in which imgfetch makes one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from imgfetch.fs.idmap import IdMapping
from imgfetch.fs.removal import remove_tree
from imgfetch.layer.applier import Applier
from imgfetch.layer.options import ApplyOptions
from imgfetch.layer.ownership import ExactOwners, SingleOwner
from imgfetch.snapshot.automatic import snapshotter
from imgfetch.snapshot.merge import unpack_merged
from imgfetch.snapshot.unpacker import Unpacker
from tests.support.unpacking import MemoryContent, Notes

Way = Literal["overlay", "copy", "flat"]
"""Mounted snapshots, a snapshot of all layers copied for a run, and what ``unpack`` makes."""


def memory(room: int = 0) -> str | None:
    """A file system in memory, where there is one: many small trees are made and removed.

    Args:
        room: bytes that have to be free in it.
    """
    place = "/dev/shm"
    if not os.access(place, os.W_OK):
        return None
    status = os.statvfs(place)
    return place if status.f_bavail * status.f_frsize >= room else None


@contextmanager
def materialised(streams: list[bytes], mapping: IdMapping, way: Way) -> Iterator[Path]:
    """The root that some layers make, to be looked at in namespaces that were entered.

    Args:
        streams: the layers' archives, not compressed, lowest first.
        mapping: what entering gave.
        way: how to make it.

    Raises:
        LayerError: a layer can't be applied.
    """
    with tempfile.TemporaryDirectory(dir=memory(), ignore_cleanup_errors=True) as base:
        try:
            with (_unpacked if way == "flat" else _mounted)(base, streams, mapping, way) as root:
                yield root
        finally:
            remove_tree(base)


@contextmanager
def _mounted(base: str, streams: list[bytes], mapping: IdMapping, way: Way) -> Iterator[Path]:
    for name in ("locks", "run"):
        os.mkdir(f"{base}/{name}")
    content = MemoryContent()
    layers = [content.add_stream(stream) for stream in streams]
    made = snapshotter(
        base,
        mapping,
        mode=way,
        # Snapshotters open blobs and nothing else.
        content=content,  # type: ignore[arg-type]
        applier=_applier(mapping),
        progress=Notes(),
    )
    try:
        made.prepare(layers)
        yield made.mount(layers, Path(f"{base}/run"))
    finally:
        made.unmount(Path(f"{base}/run"))


@contextmanager
def _unpacked(base: str, streams: list[bytes], mapping: IdMapping, way: Way) -> Iterator[Path]:
    os.mkdir(f"{base}/rootfs", 0o755)
    os.utime(f"{base}/rootfs", (0, 0))
    os.mkdir(f"{base}/staging")
    content = MemoryContent()
    layers = [content.add_stream(stream) for stream in streams]
    # Unpackers open blobs and nothing else.
    unpacker = Unpacker(content, _applier(mapping), Notes())  # type: ignore[arg-type]
    unpack_merged(layers, f"{base}/rootfs", f"{base}/staging", unpacker)
    yield Path(f"{base}/rootfs")


def _applier(mapping: IdMapping) -> Applier:
    owners = SingleOwner() if mapping.single else ExactOwners()
    # One thread for each layer would cost more than the layers.
    return Applier(ApplyOptions(owners=owners, read_ahead=False))
