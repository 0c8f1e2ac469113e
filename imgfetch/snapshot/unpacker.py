"""Applying one layer of an image to a directory, and telling how it went."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from imgfetch.oci.digest import DiffID, chain_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgfetch.interfaces import ContentStore, LayerApplier, LayerStats, Progress
    from imgfetch.oci.image import Layer


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
        """
        descriptor = layer.descriptor
        self.progress.update(descriptor, "applying", 0)
        root = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            with self.content.open(descriptor) as blob:
                stats = self.applier.apply(blob, layer, root)
        finally:
            os.close(root)
        self.progress.update(descriptor, "applied", descriptor.size)
        return stats

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
