"""The directory of unpacked layers: what is in it is complete, or marked as being made.

::

    snapshots/<mapping>/<name>/fs          a tree; <name> is a chainID's hexadecimal part
    snapshots/<mapping>/<name>/layer.json  what is known of it
    snapshots/<mapping>/<name>/blobs       lists of blobs that are this snapshot, lowest first
    snapshots/<mapping>/<name>/l/          links to the trees below and itself (see overlayfs)
    snapshots/<mapping>/staging-…/         being made by a living process, or left by a dead one

A snapshot in use is locked shared on its own directory. One that others are built on
is never removed before them, so that a topmost one that is there has all below it.
"""

from __future__ import annotations

import os

from imgfetch.fs.atomic import sync_directory, write_all
from imgfetch.fs.claim import claim_abandoned, claim_shared, make_claimed
from imgfetch.lean import contextlib
from imgfetch.lean.typing import TYPE_CHECKING, Final, NamedTuple
from imgfetch.oci.digest import DiffID, chain_id
from imgfetch.snapshot.overlayfs import LINKS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from imgfetch.fs.idmap import IdMapping
    from imgfetch.oci.image import Layer
    from imgfetch.snapshot.record import SnapshotRecord
    from imgfetch.snapshot.unpacker import Unpacker

TREE: Final = "fs"
"""A snapshot's tree, in its directory."""

STAGING: Final = "staging-"
"""What the names of directories begin with that are no snapshots, or not yet."""

_BLOBS = "blobs"
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


def chain_names(layers: Sequence[Layer]) -> list[str]:
    """The names of the snapshots of each layer with those below it, lowest first."""
    names: list[str] = []
    below: DiffID | None = None
    for layer in layers:
        # What it is called with those below it, and so its own name if there are none.
        below = layer.diff_id if below is None else DiffID(chain_id((below, layer.diff_id)))
        names.append(below.encoded)
    return names


class SnapshotDirectory:
    """``snapshots/<mapping>`` of a store.

    Args:
        path: absolute; made when something is staged.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def tree(self, name: str) -> str:
        """Path of a snapshot's tree."""
        return f"{self.path}/{name}/{TREE}"

    def exists(self, name: str) -> bool:
        """Whether a snapshot is there; if so it is complete."""
        return os.path.isdir(f"{self.path}/{name}")

    def hold(self, name: str) -> int | None:
        """Keep a snapshot, and so those below it, from being removed.

        Returns:
            A descriptor to close at the end; None when it is not there.
        """
        return claim_shared(f"{self.path}/{name}")

    def record(self, name: str) -> SnapshotRecord:
        """What is known of a snapshot.

        Raises:
            StoreCorruptError: nothing that makes sense.
        """
        from imgfetch.snapshot import record  # most runs need no more than the name

        return record.read(f"{self.path}/{name}")

    def is_known_as(self, names: Sequence[str], blobs: Sequence[tuple[str, ...]]) -> bool:
        """Whether a stack is known to be what an image's blobs unpack to.

        A config claims diffIDs, and whoever claims another image's would be given its files:
        an image's own blobs have to be seen to have them, once.

        Args:
            names: of the stack, lowest first; all are there.
            blobs: digests of the image's, for each of them.
        """
        try:
            with open(f"{self.path}/{names[-1]}/{_BLOBS}", "rb") as lines:
                return _line(blobs) in lines
        except FileNotFoundError:
            return False

    def of_other_blobs(self, names: Sequence[str], blobs: Sequence[tuple[str, ...]]) -> list[int]:
        """Which of a stack's snapshots were made of other blobs than an image has.

        Args:
            names: as for `is_known_as`.
            blobs: as for `is_known_as`.

        Returns:
            Their positions.
        """
        return [
            number
            for number, (name, own) in enumerate(zip(names, blobs, strict=True))
            if self.record(name).layers != own
        ]

    def remember(self, name: str, blobs: Sequence[tuple[str, ...]]) -> None:
        """Let a stack be known as what some blobs unpack to, where that can be written.

        Args:
            name: of the topmost.
            blobs: as for `is_known_as`.
        """
        with contextlib.suppress(OSError):
            descriptor = os.open(f"{self.path}/{name}/{_BLOBS}", _APPEND, 0o600)
            try:
                write_all(descriptor, _line(blobs))
            finally:
                os.close(descriptor)

    def names(self) -> list[str]:
        """All snapshots."""
        try:
            found = os.listdir(self.path)
        except FileNotFoundError:
            return []
        return sorted(name for name in found if not name.startswith(STAGING))

    def staging(self) -> AbstractContextManager[str]:
        """A directory to make snapshots in; see `imgfetch.snapshot.staging.staging`."""
        from imgfetch.snapshot import staging  # most runs make nothing

        return staging.staging(self.path)

    def collect(self) -> None:
        """Remove what processes that ended in the middle have left."""
        from imgfetch.snapshot import staging

        staging.collect(self.path)

    def publish(self, staged: Sequence[tuple[str, str, SnapshotRecord]]) -> None:
        """Give complete trees their names; see `imgfetch.snapshot.staging.publish`."""
        from imgfetch.snapshot import staging

        staging.publish(self.path, staged)

    def link(self, names: Sequence[str]) -> str:
        """The directory with the links to a stack, made if it is not there.

        Args:
            names: the whole stack, lowest first; the topmost keeps the links.
        """
        links = f"{self.path}/{names[-1]}/{LINKS}"
        if not os.path.isdir(links):
            made = f"{self.path}/{STAGING}{os.urandom(8).hex()}"
            descriptor = make_claimed(made)
            try:
                write_links(made, names)
                # The name must not outlive a power loss that the links have not.
                sync_directory(made)
                os.rename(made, links)
            except OSError:  # another process was quicker
                _remove_tree(made)
                if not os.path.isdir(links):
                    raise
            finally:
                os.close(descriptor)
        return links

    def remove(self, name: str) -> bool:
        """Remove a snapshot that nobody uses and that none is built on.

        Returns:
            Whether it is gone; False where it is in use.
        """
        # What is built on it is looked for only when it is ours: whoever builds on it holds
        # it, and is found among the others later.
        return self._remove(name, lambda: not self._is_parent(name))

    def discard(self, name: str) -> bool:
        """Remove a snapshot that is damaged, whatever was built on it, unless it is in use.

        Returns:
            Whether it is gone.
        """
        return self._remove(name, lambda: True)

    def _is_parent(self, name: str) -> bool:
        return any(self.record(other).parent == name for other in self.names())

    def _remove(self, name: str, may_go: Callable[[], bool]) -> bool:
        path = f"{self.path}/{name}"
        descriptor = claim_abandoned(path)
        if descriptor is None:
            return not os.path.lexists(path)
        try:
            if not may_go():
                return False
            # Under a staging name first: half a tree must never have a snapshot's name, also
            # after a power loss.
            doomed = f"{self.path}/{STAGING}{os.urandom(8).hex()}"
            os.rename(path, doomed)
            sync_directory(self.path)
            _remove_tree(doomed)
        finally:
            os.close(descriptor)
        return True


class Supplies(NamedTuple):
    """What makes snapshots.

    Attributes:
        directory: where they are kept.
        locks: directory of lock files.
        mapping: the ids there are.
        unpacker: makes what applies layers.
        warn: told what a person should know.
    """

    directory: SnapshotDirectory
    locks: str
    mapping: IdMapping
    unpacker: Callable[[], Unpacker]
    warn: Callable[[str], None]


class Held:
    """Snapshots that are kept from being removed, until they are let go.

    Args:
        directory: where they are.
    """

    def __init__(self, directory: SnapshotDirectory) -> None:
        self._directory = directory
        self._descriptors: list[int] = []

    def take(self, name: str) -> bool:
        """Keep a snapshot, and so those below it; False when it is not there."""
        descriptor = self._directory.hold(name)
        if descriptor is None:
            return False
        self._descriptors.append(descriptor)
        return True

    def close(self) -> None:
        """Let all of them go: others may remove them."""
        while self._descriptors:
            os.close(self._descriptors.pop())


def _remove_tree(path: str) -> None:
    from imgfetch.fs.removal import remove_tree  # most runs remove none

    remove_tree(path)


def _line(blobs: Sequence[tuple[str, ...]]) -> bytes:
    return " ".join(digest for own in blobs for digest in own).encode() + b"\n"


def write_links(directory: str, names: Sequence[str]) -> None:
    """Make the links to a stack.

    Args:
        directory: an empty one, which is or becomes `LINKS` of the topmost snapshot.
        names: the whole stack, lowest first.
    """
    for number, name in enumerate(names):
        os.symlink(f"../../{name}/{TREE}", f"{directory}/{number}")
