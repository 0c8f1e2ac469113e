"""Applying one layer of an image to a directory, and telling how it went."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from imgfetch.errors import (
    ContentError,
    LayerError,
    StoreCorruptError,
    StoreError,
    VerificationError,
)
from imgfetch.oci.digest import DiffID, chain_id
from imgfetch.oci.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgfetch.interfaces import ContentStore, LayerApplier, LayerStats, Progress
    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.image import Layer

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Unpacker:
    """Takes layers out of a content store.

    Attributes:
        content: where the layers' blobs are.
        applier: reads and applies them.
        progress: told how far the work has come.
    """

    content: ContentStore
    applier: LayerApplier
    progress: Progress

    def apply(self, layer: Layer, tree: str) -> LayerStats:
        """Apply a layer to the tree below a directory.

        Raises:
            LayerError: see `LayerApplier.apply`.
            NotInStoreError: the blob is not in the store.
            StoreCorruptError: the blob is damaged, and was discarded.
        """
        descriptor = layer.descriptor
        self.progress.update(descriptor, "applying", 0)
        root = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            with self.content.open(descriptor) as blob:
                stats = self.applier.apply(blob, layer, root)
        except (LayerError, VerificationError, ContentError) as error:
            self._blame_the_store(descriptor, error)
            raise
        finally:
            os.close(root)
        self.progress.update(descriptor, "applied", descriptor.size)
        return stats

    def _blame_the_store(self, descriptor: Descriptor, error: Exception) -> None:
        """Tell a damaged blob from an image that was made wrong.

        Blobs are verified when they arrive and not on every use: a disk may have changed one.
        """
        verifier = Verifier(descriptor)
        try:
            with self.content.open(descriptor) as blob:
                while piece := blob.read(_PIECE):
                    verifier.update(piece)
            verifier.finish()
        except (VerificationError, OSError) as damage:
            with suppress(StoreError):
                self.content.discard(descriptor.digest)
            message = f"layer {descriptor.digest} was damaged in the store"
            raise StoreCorruptError(
                message,
                expected=descriptor.digest,
                actual=getattr(damage, "actual", None) or str(damage),
                hint="the next pull fetches it again",
            ) from error

    def warn_of(self, stats: Sequence[LayerStats]) -> None:
        """Say once, for a whole image, what could not be made as its layers have it."""
        owners = sum(one.unmapped_owners for one in stats)
        if owners:
            self.progress.warn(
                f"{owners} files belong to users or groups that do not exist here;"
                " they belong to root now"
            )
        devices = sum(one.skipped_devices for one in stats)
        if devices:
            self.progress.warn(f"{devices} device nodes were left out: only root can make them")


def chain_names(layers: Sequence[Layer]) -> list[str]:
    """The hexadecimal part of the chainID of each layer with those below, lowest first."""
    chains = accumulate(
        (layer.diff_id for layer in layers),
        lambda chain, diff_id: DiffID(chain_id((chain, diff_id))),
    )
    return [chain.encoded for chain in chains]
