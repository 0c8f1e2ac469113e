"""Snapshots as stacks of overlay layers: one directory a layer, shared between images.

Owns who makes which of them when several processes want the same, and that they stay while
they are used. How they are made is in `imgfetch.snapshot.making`.
"""

from __future__ import annotations

import os

from imgfetch.fs.lock import LongWaits, locked
from imgfetch.fs.space import no_space_told
from imgfetch.lean import contextlib
from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.snapshot.directory import Held, chain_names
from imgfetch.snapshot.stack import mount_stack, unmount_stack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from imgfetch.oci.image import Layer
    from imgfetch.snapshot.directory import Supplies


class OverlaySnapshotter:
    """A snapshot per layer, mounted one over the other.

    Has to be used in namespaces of `imgfetch.snapshot.userns.enter`.

    Args:
        supplies: what it works with.
    """

    def __init__(self, supplies: Supplies) -> None:
        self._directory = supplies.directory
        self._locks = supplies.locks
        self._mapping = supplies.mapping
        self._unpacker = supplies.unpacker
        self._waits = LongWaits(supplies.warn, "unpacking the same layers")
        self._held = Held(self._directory)

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
        while not (self._held.take(names[-1]) and all(map(self._directory.exists, names))):
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

    def _build(self, layers: Sequence[Layer], names: Sequence[str]) -> None:
        with contextlib.ExitStack() as stack, no_space_told(self._locks):
            missing = [
                number for number, name in enumerate(names) if not self._hold_or_lock(name, stack)
            ]
            if missing:
                self._make(layers, names, missing)

    def _verify(self, layers: Sequence[Layer], names: Sequence[str]) -> None:
        """See that the image's own blobs are what was unpacked, of whatever image's."""
        blobs = [(str(layer.descriptor.digest),) for layer in layers]
        if self._directory.is_known_as(names, blobs):
            return
        others = self._directory.of_other_blobs(names, blobs)
        if others:
            # Thrown away: all of these have their names already.
            self._make(layers, names, others)
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
            lock = f"{self._locks}/snapshot-{self._mapping.name}-{name}"
            waiting = self._waits.on(lock)
            with contextlib.ExitStack() as attempt:
                attempt.enter_context(locked(lock, unlink=True, on_wait=waiting))
                if not self._directory.exists(name):
                    stack.enter_context(attempt.pop_all())
                    return False

    def _make(self, layers: Sequence[Layer], names: Sequence[str], missing: Sequence[int]) -> None:
        from imgfetch.snapshot.making import Making  # most runs make nothing

        with self._directory.staging() as staging:
            making = Making(self._directory, staging, self._unpacker(), self._mapping.initial)
            making.make(layers, names, missing)
