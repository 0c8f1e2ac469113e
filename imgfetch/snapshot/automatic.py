"""Choosing how root filesystems are made, by trying: ``--rootfs-mode``.

There is no probe: what a kernel, a file system and a namespace allow together is
known when the mount is made. The order is overlayfs, overlayfs with what is written kept
in memory (a store that itself is on an overlay, as in a pod), fuse-overlayfs, and a copy.
"""

from __future__ import annotations

from imgfetch.errors import InvalidOptionError, NamespaceError
from imgfetch.lean import contextlib
from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.snapshot.directory import SnapshotDirectory, Supplies, chain_names
from imgfetch.snapshot.flat import FlatSnapshotter
from imgfetch.snapshot.overlay import OverlaySnapshotter
from imgfetch.snapshot.stack import mount_stack, unmount_stack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from imgfetch.fs.idmap import IdMapping
    from imgfetch.interfaces import BlobReader, LayerApplier, Progress, Snapshotter
    from imgfetch.oci.image import Layer
    from imgfetch.snapshot.fuse import FuseSnapshotter
    from imgfetch.snapshot.unpacker import Unpacker

MODES = ("auto", "overlay", "fuse-overlayfs", "copy")


def snapshotter(
    store: str,
    mapping: IdMapping,
    *,
    mode: str,
    content: BlobReader,
    applier: LayerApplier,
    progress: Progress,
    search_path: str | None = None,
) -> Snapshotter:
    """The snapshotter of a store.

    Args:
        store: absolute path of the store.
        mapping: what `imgfetch.snapshot.userns.enter` returned.
        mode: one of `MODES`.
        content: where layers come from.
        applier: applies them.
        progress: told how far the work has come.
        search_path: where fuse-overlayfs is looked for, as PATH; None to do without.

    Raises:
        InvalidOptionError: another mode.
    """

    def unpacker() -> Unpacker:
        from imgfetch.snapshot.unpacker import Unpacker  # most runs unpack nothing

        return Unpacker(content, applier, progress)

    directory = SnapshotDirectory(f"{store}/snapshots/{mapping.name}")
    supplies = Supplies(directory, f"{store}/locks", mapping, unpacker, progress.warn)
    if mode == "overlay":
        return OverlaySnapshotter(supplies)
    if mode == "copy":
        return FlatSnapshotter(supplies)
    if mode == "fuse-overlayfs":
        from imgfetch.snapshot.fuse import FuseSnapshotter

        flat = FlatSnapshotter(supplies)
        return FuseSnapshotter(directory, flat, search_path or "")
    if mode == "auto":
        return AutomaticSnapshotter(supplies, search_path)
    message = f"rootfs mode {mode!r} is not known"
    raise InvalidOptionError(message, expected=" or ".join(MODES))


class AutomaticSnapshotter:
    """Overlayfs where it works, and otherwise what comes nearest to it.

    Args:
        supplies: what it works with.
        search_path: where fuse-overlayfs is looked for; None to do without.
    """

    def __init__(self, supplies: Supplies, search_path: str | None = None) -> None:
        self._directory = supplies.directory
        self._mapping = supplies.mapping
        self._warn = supplies.warn
        self._overlay = OverlaySnapshotter(supplies)
        self._flat = FlatSnapshotter(supplies)
        self._search_path = search_path
        self._fuse: FuseSnapshotter | None = None

    def prepare(self, layers: Sequence[Layer]) -> None:
        """See `Snapshotter.prepare`."""
        # Where there is a flat one, layers could not be mounted before.
        if any(map(self._flat.hold, self._flat.stack(layers))):
            self._flat.prepare(layers)
            return
        try:
            self._overlay.prepare(layers)
        except NamespaceError:
            self._flat.prepare(layers)

    def mount(self, layers: Sequence[Layer], directory: Path) -> Path:
        """See `Snapshotter.mount`."""
        names = self._stack(layers)
        for in_memory in (False, True):
            with contextlib.suppress(NamespaceError):
                root = mount_stack(
                    self._directory,
                    names,
                    directory,
                    initial=self._mapping.initial,
                    in_memory=in_memory,
                )
                if in_memory:
                    self._warn("what the container writes is kept in memory: no overlay on disk")
                return root
        _clear(directory)
        self._flat.prepare(layers)
        if self._search_path is not None:
            # Imported only where it is needed, which is rare.
            from imgfetch.snapshot.fuse import FuseSnapshotter

            self._fuse = FuseSnapshotter(self._directory, self._flat, self._search_path)
            with contextlib.suppress(NamespaceError):
                return self._fuse.mount(layers, directory)
            _clear(directory)
        return self._flat.mount(layers, directory)

    def unmount(self, directory: Path) -> None:
        """See `Snapshotter.unmount`."""
        if self._fuse:
            self._fuse.unmount(directory)
        else:
            unmount_stack(directory)

    def close(self) -> None:
        """Let snapshots go: others may remove them."""
        self._overlay.close()
        self._flat.close()

    def _stack(self, layers: Sequence[Layer]) -> list[str]:
        names = chain_names(layers)
        if names and not self._directory.exists(names[-1]):
            return self._flat.stack(layers)
        return names


def _clear(directory: Path) -> None:
    """Take away what a mount that failed has made."""
    from imgfetch.fs.removal import remove_tree

    unmount_stack(directory)
    for name in ("upper", "work", "rootfs"):
        with contextlib.suppress(FileNotFoundError):
            remove_tree(directory / name)
