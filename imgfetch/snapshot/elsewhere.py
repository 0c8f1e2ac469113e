"""Layers that a read-only store has unpacked already, mounted from where they are.

A blob is checked against its digest wherever it comes from; for the files of an unpacked
layer there is no digest. So they are used only where they can't be anybody's who could not
change our own: in directories of root's or of the caller's that others can't write to.
Everywhere else, as on a memory stick, layers are unpacked into one's own store.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from imgfetch.errors import NamespaceError
from imgfetch.snapshot.directory import SnapshotDirectory, chain_names
from imgfetch.snapshot.overlayfs import LINKS
from imgfetch.snapshot.stack import mount_stack, unmount_stack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from imgfetch.fs.idmap import IdMapping
    from imgfetch.interfaces import Snapshotter
    from imgfetch.oci.image import Layer

_OTHERS_MAY_WRITE = 0o022


class ElsewhereSnapshotter:
    """Uses what others have unpacked, and leaves the rest to another snapshotter.

    Args:
        stores: absolute paths of read-only stores, in the order of preference.
        mapping: the ids there are; unpacked layers of others are of no use.
        own: what unpacks into one's own store.
    """

    def __init__(self, stores: Sequence[str], mapping: IdMapping, own: Snapshotter) -> None:
        paths = [f"{store}/snapshots/{mapping.name}" for store in stores]
        self._directories = [SnapshotDirectory(path) for path in paths if _is_trusted(path)]
        self._mapping = mapping
        self._own = own
        self._held = contextlib.ExitStack()

    def prepare(self, layers: Sequence[Layer]) -> None:
        """See `Snapshotter.prepare`."""
        names = chain_names(layers)
        found = self._find(names, layers)
        held = None if found is None else found.hold(names[-1])
        if held is None:
            self._own.prepare(layers)
        else:
            self._held.callback(os.close, held)

    def mount(self, layers: Sequence[Layer], directory: Path) -> Path:
        """See `Snapshotter.mount`."""
        names = chain_names(layers)
        found = self._find(names, layers)
        if found is not None:
            with contextlib.suppress(NamespaceError):
                return mount_stack(found, names, directory, initial=self._mapping.initial)
            unmount_stack(directory)
            os.unlink(directory / LINKS)
            self._own.prepare(layers)
        return self._own.mount(layers, directory)

    def unmount(self, directory: Path) -> None:
        """See `Snapshotter.unmount`."""
        self._own.unmount(directory)

    def _find(self, names: Sequence[str], layers: Sequence[Layer]) -> SnapshotDirectory | None:
        """Where the whole stack is, with the links that nobody can make there any more."""
        blobs = [(str(layer.descriptor.digest),) for layer in layers]
        for directory in self._directories:
            if not names or not os.path.isdir(f"{directory.path}/{names[-1]}/{LINKS}"):
                continue
            known = directory.is_known_as(names, blobs)
            if known or not directory.of_other_blobs(names, blobs):
                return directory
        return None


def _is_trusted(path: str) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    ours = status.st_uid in {0, os.geteuid()}
    return ours and stat.S_ISDIR(status.st_mode) and not status.st_mode & _OTHERS_MAY_WRITE
