"""Snapshots as stacks of overlay layers: one directory a layer, shared between images.

Layers are applied side by side, each to a directory of its own. One that depends on those
below it is applied once more, to a mounted overlay of them, so that the kernel itself
writes down, in the upper directory, what its whiteouts and replacements mean.
"""

from __future__ import annotations

import os

from imgfetch.fs import linux
from imgfetch.fs.atomic import make_directory
from imgfetch.fs.lock import locked
from imgfetch.fs.removal import remove_tree
from imgfetch.fs.space import no_space_told
from imgfetch.lean import contextlib
from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.snapshot.directory import TREE, SnapshotRecord, write_links
from imgfetch.snapshot.lower import LowerView, drop_pointless
from imgfetch.snapshot.overlayfs import LINKS, OPAQUE, USER_OPAQUE, mount_overlay
from imgfetch.snapshot.stack import ROOTFS, inherit_root, make_upper, mount_stack, unmount_stack
from imgfetch.snapshot.unpacker import chain_names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from imgfetch.fs.idmap import IdMapping
    from imgfetch.interfaces import LayerDiff, LayerStats
    from imgfetch.oci.image import Layer
    from imgfetch.snapshot.directory import SnapshotDirectory
    from imgfetch.snapshot.unpacker import Unpacker


class OverlaySnapshotter:
    """A snapshot per layer, mounted one over the other.

    Has to be used in namespaces of `imgfetch.snapshot.userns.enter`.

    Args:
        directory: where snapshots are kept.
        locks: directory of lock files.
        mapping: the ids there are.
        unpacker: applies layers.
    """

    def __init__(
        self,
        directory: SnapshotDirectory,
        locks: str,
        mapping: IdMapping,
        unpacker: Unpacker,
    ) -> None:
        self._directory = directory
        self._locks = locks
        self._mapping = mapping
        self._unpacker = unpacker
        self._held = contextlib.ExitStack()

    def prepare(self, layers: Sequence[Layer]) -> None:
        """Unpack what is not unpacked yet; all of it is complete or absent.

        What is there stays until this process ends or calls `close`.

        Raises:
            NamespaceError: overlayfs can't be mounted on the store.
            LayerError: a layer can't be applied; those below it are kept.
            DiffIDMismatchError: the image's blobs are not what its config says.
            NoSpaceError: no space or inodes left.
        """
        names = chain_names(layers)
        if not names:
            return
        # The topmost one is removed first and keeps those below it, but a power loss may
        # have kept its name and not theirs.
        while not (self._hold(names[-1]) and all(map(self._directory.exists, names))):
            self._build(layers, names)
        self._verify(layers, names)

    def mount(self, layers: Sequence[Layer], directory: Path) -> Path:
        """See `Snapshotter.mount`.

        Raises:
            NamespaceError: overlayfs can't be mounted in ``directory``.
            StoreCorruptError: an unpacked layer is missing.
        """
        return mount_stack(
            self._directory, chain_names(layers), directory, initial=self._mapping.initial
        )

    def unmount(self, directory: Path) -> None:
        """Take away what `mount` has mounted, so that the directory can be removed."""
        unmount_stack(directory)

    def close(self) -> None:
        """Let snapshots go: others may remove them."""
        self._held.close()

    def _hold(self, name: str) -> bool:
        descriptor = self._directory.hold(name)
        if descriptor is None:
            return False
        self._held.callback(os.close, descriptor)
        return True

    def _build(self, layers: Sequence[Layer], names: Sequence[str]) -> None:
        with contextlib.ExitStack() as stack, no_space_told(self._locks):
            missing = [
                number for number, name in enumerate(names) if not self._hold_or_lock(name, stack)
            ]
            if missing:
                with self._directory.staging() as staging:
                    self._apply(layers, names, missing, staging)

    def _verify(self, layers: Sequence[Layer], names: Sequence[str]) -> None:
        """See that the image's own blobs are what was unpacked, of whatever image's."""
        blobs = [(str(layer.descriptor.digest),) for layer in layers]
        if self._directory.is_known_as(names, blobs):
            return
        others = self._directory.of_other_blobs(names, blobs)
        if others:
            # Thrown away: all of these have their names already.
            with self._directory.staging() as staging:
                self._apply(layers, names, others, staging)
        self._directory.remember(names[-1], blobs)

    def _hold_or_lock(self, name: str, stack: contextlib.ExitStack) -> bool:
        """Hold a snapshot, or else the right to make it.

        All processes go from the lowest layer up and keep what they have got, so they wait
        for each other at the lowest layer that they have in common, and never in a circle.
        """
        while True:
            descriptor = self._directory.hold(name)
            if descriptor is not None:
                stack.callback(os.close, descriptor)
                return True
            lock = locked(f"{self._locks}/snapshot-{self._mapping.name}-{name}", unlink=True)
            with contextlib.ExitStack() as attempt:
                attempt.enter_context(lock)
                if not self._directory.exists(name):
                    stack.enter_context(attempt.pop_all())
                    return False

    def _apply(
        self, layers: Sequence[Layer], names: Sequence[str], missing: Sequence[int], staging: str
    ) -> None:
        make_directory(f"{staging}/{ROOTFS}")
        make_directory(f"{staging}/{LINKS}")
        for number, name in enumerate(names):
            target = f"../{number}" if number in missing else f"../../{name}"
            os.symlink(f"{target}/{TREE}", f"{staging}/{LINKS}/{number}")
        staged: list[tuple[str, str, SnapshotRecord]] = []
        all_stats: list[LayerStats] = []
        try:
            alone = self._apply_alone([layers[number] for number in missing], missing, staging)
            for number, ready in zip(missing, alone, strict=True):
                path = f"{staging}/{number}"
                if ready is None:
                    stats = self._apply_on_top(layers[number], number, staging)
                else:
                    stats = ready.stats
                    self._fit(ready, number, staging)
                parent = names[number - 1] if number else None
                blob = str(layers[number].descriptor.digest)
                staged.append((path, names[number], SnapshotRecord.of(parent, [blob], [stats])))
                all_stats.append(stats)
            links = f"{staged[-1][0]}/{LINKS}"
            make_directory(links)
            write_links(links, names[: missing[-1] + 1])
        finally:
            self._directory.publish(staged)
        self._unpacker.warn_of(all_stats)

    def _apply_alone(
        self, layers: Sequence[Layer], numbers: Sequence[int], staging: str
    ) -> list[LayerDiff | None]:
        """Apply all layers at once, each by itself: most name all that they stand on."""
        for number in numbers:
            make_directory(f"{staging}/{number}")
            make_directory(f"{staging}/{number}/{TREE}", 0o755)
        trees = [f"{staging}/{number}/{TREE}" for number in numbers]
        return self._unpacker.diffs(layers, trees, opaque=self._opaque, lowest=numbers[0] == 0)

    def _fit(self, diff: LayerDiff, number: int, staging: str) -> None:
        """Give a layer that was applied by itself what only those below it can tell."""
        if number == 0:
            return
        tree = f"{staging}/{number}/{TREE}"
        below = [f"{staging}/{LINKS}/{lower}" for lower in reversed(range(number))]
        if diff.whiteouts:
            drop_pointless(tree, diff.whiteouts, LowerView(below, self._opaque))
        if not diff.stats.describes_root:
            inherit_root(tree, below[0])

    @property
    def _opaque(self) -> str:
        return OPAQUE if self._mapping.initial else USER_OPAQUE

    def _apply_on_top(self, layer: Layer, number: int, staging: str) -> LayerStats:
        """Apply a layer that depends on those below it to an overlay of them."""
        tree, work = f"{staging}/{number}/{TREE}", f"{staging}/{number}/work"
        remove_tree(tree)
        make_upper(tree, f"{staging}/{LINKS}/{number - 1}")
        make_directory(work)
        mount_overlay(
            staging,
            number,
            upper=f"{number}/{TREE}",
            work=f"{number}/work",
            target=ROOTFS,
            initial=self._mapping.initial,
        )
        try:
            stats = self._unpacker.apply(layer, f"{staging}/{ROOTFS}")
        finally:
            linux.unmount(f"{staging}/{ROOTFS}", linux.MNT_DETACH)
        remove_tree(work)
        return stats
