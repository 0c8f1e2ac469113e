"""What is known of an unpacked layer: ``layer.json`` beside its tree."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from imgfetch.errors import StoreCorruptError
from imgfetch.fs.atomic import write_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgfetch.interfaces import LayerStats

_NAME = "layer.json"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class SnapshotRecord:
    """What ``layer.json`` says of a snapshot.

    Attributes:
        parent: name of the snapshot it was built on; None for the lowest, and for a
            flat one, which holds all layers.
        layers: digests of the blobs in it, lowest first.
        entries: tar entries applied.
        size: bytes of the uncompressed layers.
        skipped_devices: see `LayerStats`.
        unmapped_owners: see `LayerStats`.
    """

    parent: str | None
    layers: tuple[str, ...]
    entries: int = 0
    size: int = 0
    skipped_devices: int = 0
    unmapped_owners: int = 0

    @classmethod
    def of(
        cls, parent: str | None, layers: Sequence[str], stats: Sequence[LayerStats]
    ) -> SnapshotRecord:
        """The record of layers that were just applied."""
        return cls(
            parent,
            tuple(layers),
            sum(one.entries for one in stats),
            sum(one.size for one in stats),
            sum(one.skipped_devices for one in stats),
            sum(one.unmapped_owners for one in stats),
        )


def read(snapshot: str) -> SnapshotRecord:
    """The record in a snapshot's directory.

    Raises:
        StoreCorruptError: nothing that makes sense.
    """
    file = f"{snapshot}/{_NAME}"
    try:
        with open(file, encoding="utf-8") as stream:
            values = json.load(stream)
        return SnapshotRecord(**{**values, "layers": tuple(values["layers"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        message = f"{file} can't be read: {error}"
        raise StoreCorruptError(message) from error


def write(snapshot: str, record: SnapshotRecord) -> None:
    """Make the record of a snapshot that is about to get its name."""
    descriptor = os.open(f"{snapshot}/{_NAME}", _NEW, 0o600)
    try:
        write_all(descriptor, json.dumps(asdict(record)).encode())
    finally:
        os.close(descriptor)
