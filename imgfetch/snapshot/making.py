"""Unpacked layers made: each the upper directory of an overlay over those below it.

All are applied side by side, each to a directory of its own. What only the layers below can
tell is put right afterwards; a layer that can't be applied by itself is applied once more, to
a mounted overlay of them, so that the kernel itself writes down what it means.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgfetch.fs import linux
from imgfetch.fs.atomic import make_directory
from imgfetch.fs.removal import remove_tree
from imgfetch.snapshot.directory import TREE, write_links
from imgfetch.snapshot.lower import LowerView, drop_pointless
from imgfetch.snapshot.overlayfs import LINKS, OPAQUE, USER_OPAQUE, mount_overlay
from imgfetch.snapshot.record import SnapshotRecord
from imgfetch.snapshot.stack import ROOTFS, inherit_root, make_upper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgfetch.interfaces import LayerDiff, LayerStats
    from imgfetch.oci.image import Layer
    from imgfetch.snapshot.directory import SnapshotDirectory
    from imgfetch.snapshot.unpacker import Unpacker


@dataclass(frozen=True, slots=True)
class Making:
    """What snapshots are made with.

    Attributes:
        directory: where they get their names.
        staging: path of the directory that they are made in.
        unpacker: applies layers.
        initial: see `imgfetch.snapshot.overlayfs.mount_overlay`.
    """

    directory: SnapshotDirectory
    staging: str
    unpacker: Unpacker
    initial: bool

    def make(self, layers: Sequence[Layer], names: Sequence[str], missing: Sequence[int]) -> None:
        """Make and publish snapshots; after a failure, those below it.

        Args:
            layers: of an image, lowest first.
            names: of their snapshots.
            missing: positions of those to be made, ascending; the others are there.
        """
        make_directory(f"{self.staging}/{ROOTFS}")
        make_directory(f"{self.staging}/{LINKS}")
        for number, name in enumerate(names):
            target = f"../{number}" if number in missing else f"../../{name}"
            os.symlink(f"{target}/{TREE}", f"{self.staging}/{LINKS}/{number}")
        staged: list[tuple[str, str, SnapshotRecord]] = []
        all_stats: list[LayerStats] = []
        try:
            alone = self._apply_alone([layers[number] for number in missing], missing)
            for number, ready in zip(missing, alone, strict=True):
                stats = self._finish(layers[number], number, ready)
                parent = names[number - 1] if number else None
                blob = str(layers[number].descriptor.digest)
                record = SnapshotRecord.of(parent, [blob], [stats])
                staged.append((f"{self.staging}/{number}", names[number], record))
                all_stats.append(stats)
            links = f"{staged[-1][0]}/{LINKS}"
            make_directory(links)
            write_links(links, names[: missing[-1] + 1])
        finally:
            self.directory.publish(staged)
        self.unpacker.warn_of(all_stats)

    def _apply_alone(
        self, layers: Sequence[Layer], numbers: Sequence[int]
    ) -> list[LayerDiff | None]:
        """Apply all layers at once, each by itself: most name all that they stand on."""
        for number in numbers:
            make_directory(f"{self.staging}/{number}")
            make_directory(self._tree(number), 0o755)
        trees = [self._tree(number) for number in numbers]
        return self.unpacker.diffs(layers, trees, opaque=self._opaque, lowest=numbers[0] == 0)

    def _finish(self, layer: Layer, number: int, ready: LayerDiff | None) -> LayerStats:
        if ready is None:
            return self._apply_on_top(layer, number)
        if number:
            self._fit(ready, number)
        return ready.stats

    def _fit(self, diff: LayerDiff, number: int) -> None:
        """Give a layer that was applied by itself what only those below it can tell."""
        below = [f"{self.staging}/{LINKS}/{lower}" for lower in reversed(range(number))]
        if diff.whiteouts:
            drop_pointless(self._tree(number), diff.whiteouts, LowerView(below, self._opaque))
        if not diff.stats.describes_root:
            inherit_root(self._tree(number), below[0])

    def _apply_on_top(self, layer: Layer, number: int) -> LayerStats:
        """Apply a layer that depends on those below it to an overlay of them."""
        tree, work = self._tree(number), f"{self.staging}/{number}/work"
        remove_tree(tree)
        make_upper(tree, f"{self.staging}/{LINKS}/{number - 1}")
        make_directory(work)
        mount_overlay(
            self.staging,
            number,
            upper=f"{number}/{TREE}",
            work=f"{number}/work",
            target=ROOTFS,
            initial=self.initial,
        )
        try:
            stats = self.unpacker.apply(layer, f"{self.staging}/{ROOTFS}")
        finally:
            linux.unmount(f"{self.staging}/{ROOTFS}", linux.MNT_DETACH)
        remove_tree(work)
        return stats

    def _tree(self, number: int) -> str:
        return f"{self.staging}/{number}/{TREE}"

    @property
    def _opaque(self) -> str:
        return OPAQUE if self.initial else USER_OPAQUE
