"""Snapshots where overlayfs can't be had: all layers in one tree, copied for each run.

A tree of one layer is the same thing in both ways, and shared with
`imgfetch.snapshot.overlay`. Runs never get links to the files of the snapshot: a
container that writes to one would write to the store.
"""

from __future__ import annotations

from imgfetch.fs.atomic import make_directory
from imgfetch.fs.lock import LongWaits, locked
from imgfetch.fs.space import no_space_told
from imgfetch.lean.typing import TYPE_CHECKING, Final
from imgfetch.snapshot.directory import TREE, Held, chain_names
from imgfetch.snapshot.stack import ROOTFS, unmount_stack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from imgfetch.oci.image import Layer
    from imgfetch.snapshot.directory import Supplies


FLAT: Final = "flat-"
"""What the name of a snapshot of a whole stack begins with; the topmost chainID follows."""


class FlatSnapshotter:
    """One snapshot for all layers, copied for each run.

    Args:
        supplies: what it works with.
    """

    def __init__(self, supplies: Supplies) -> None:
        self._directory = supplies.directory
        self._locks = supplies.locks
        self._mapping = supplies.mapping
        self._unpacker = supplies.unpacker
        self._waits = LongWaits(supplies.warn, "unpacking the same image")
        self._held = Held(self._directory)

    @staticmethod
    def stack(layers: Sequence[Layer]) -> list[str]:
        """The name of the one snapshot that holds all layers; none without layers."""
        names = chain_names(layers)
        return names if len(names) <= 1 else [f"{FLAT}{names[-1]}"]

    def prepare(self, layers: Sequence[Layer]) -> None:
        """Unpack what is not unpacked yet; it is complete or absent.

        Raises:
            LayerError: a layer can't be applied.
            DiffIDMismatchError: the image's blobs are not what its config says.
            NoSpaceError: no space or inodes left.
        """
        for name in self.stack(layers):
            lock = f"{self._locks}/snapshot-{self._mapping.name}-{name}"
            while not self.hold(name):
                waiting = self._waits.on(lock)
                with no_space_told(self._locks), locked(lock, unlink=True, on_wait=waiting):
                    if not self._directory.exists(name):
                        self._build(layers, name)
            self._verify(layers, name)

    def hold(self, name: str) -> bool:
        """Keep a snapshot from being removed; False when it is not there."""
        return self._held.take(name)

    def mount(self, layers: Sequence[Layer], directory: Path) -> Path:
        """A copy of one's own; see `Snapshotter.mount`.

        Raises:
            NoSpaceError: no space or inodes left.
        """
        from imgfetch.snapshot.duplicate import copy_tree  # most runs copy nothing

        root = directory / ROOTFS
        make_directory(f"{root}", 0o755)
        for name in self.stack(layers):
            copy_tree(self._directory.tree(name), f"{root}")
        return root

    def unmount(self, directory: Path) -> None:
        """Nothing is mounted; for symmetry with others."""
        unmount_stack(directory)

    def close(self) -> None:
        """Let snapshots go: others may remove them."""
        self._held.close()

    def _verify(self, layers: Sequence[Layer], name: str) -> None:
        """See that the image's own blobs are what was unpacked, of whatever image's."""
        blobs = [tuple(str(layer.descriptor.digest) for layer in layers)]
        if self._directory.is_known_as([name], blobs):
            return
        if self._directory.of_other_blobs([name], blobs):
            # Thrown away: it has its name already.
            self._build(layers, name)
        self._directory.remember(name, blobs)

    def _build(self, layers: Sequence[Layer], name: str) -> None:
        from imgfetch.snapshot.record import SnapshotRecord  # most runs make none

        with self._directory.staging() as staging:
            made = f"{staging}/0"
            make_directory(made)
            make_directory(f"{made}/{TREE}", 0o755)
            unpacker = self._unpacker()
            stats = [unpacker.apply(layer, f"{made}/{TREE}") for layer in layers]
            blobs = [str(layer.descriptor.digest) for layer in layers]
            self._directory.publish([(made, name, SnapshotRecord.of(None, blobs, stats))])
        unpacker.warn_of(stats)
