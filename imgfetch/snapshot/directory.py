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

import errno
import os

from imgfetch.errors import StoreCorruptError, StoreError
from imgfetch.fs import linux
from imgfetch.fs.atomic import make_directories, sync_directory, write_all
from imgfetch.fs.claim import claim_abandoned, claim_shared, make_claimed
from imgfetch.fs.removal import remove_tree
from imgfetch.fs.space import no_space_told
from imgfetch.lean import contextlib, json
from imgfetch.lean.dataclasses import dataclass
from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.snapshot.overlayfs import LINKS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from imgfetch.interfaces import LayerStats

TREE = "fs"
_RECORD = "layer.json"
_BLOBS = "blobs"
_STAGING = "staging-"
_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


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
        file = f"{self.path}/{name}/{_RECORD}"
        try:
            with open(file, encoding="utf-8") as stream:
                values = json.load(stream)
            return SnapshotRecord(**{**values, "layers": tuple(values["layers"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            message = f"{file} can't be read: {error}"
            raise StoreCorruptError(message) from error

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
        return sorted(name for name in found if not name.startswith(_STAGING))

    @contextlib.contextmanager
    def staging(self) -> Generator[str]:
        """A directory to make snapshots in; it is removed with all that was not published.

        What dead processes left of theirs is removed first.

        Raises:
            NoSpaceError: no space or inodes left, also for what is made in it.
            StoreError: the file system can't hold root filesystems.
        """
        make_directories(self.path)
        self.collect()
        path = f"{self.path}/{_STAGING}{os.urandom(8).hex()}"
        descriptor = make_claimed(path)
        try:
            with no_space_told(self.path):
                _refuse_unsuitable(path)
                yield path
        finally:
            try:
                remove_tree(path)
            finally:
                os.close(descriptor)

    def collect(self) -> None:
        """Remove what processes that ended in the middle have left."""
        for name in os.listdir(self.path):
            if name.startswith(_STAGING):
                _remove_abandoned(f"{self.path}/{name}")

    def publish(self, staged: Sequence[tuple[str, str, SnapshotRecord]]) -> None:
        """Give complete trees their names, the lowest first.

        Everything is on the disk before the first name is: a name means complete, also
        after a power loss.

        Args:
            staged: directory in the staging directory, name, record.
        """
        if not staged:
            return
        for path, _, record in staged:
            _write_record(f"{path}/{_RECORD}", record)
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            linux.syncfs(descriptor)
        finally:
            os.close(descriptor)
        for path, name, _ in staged:
            try:
                os.rename(path, f"{self.path}/{name}")
            except OSError as error:
                # Without working locks somebody else may have made the same: one is enough.
                if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                    raise
        sync_directory(self.path)

    def link(self, names: Sequence[str]) -> str:
        """The directory with the links to a stack, made if it is not there.

        Args:
            names: the whole stack, lowest first; the topmost keeps the links.
        """
        links = f"{self.path}/{names[-1]}/{LINKS}"
        if not os.path.isdir(links):
            made = f"{self.path}/{_STAGING}{os.urandom(8).hex()}"
            descriptor = make_claimed(made)
            try:
                write_links(made, names)
                # The name must not outlive a power loss that the links have not.
                sync_directory(made)
                os.rename(made, links)
            except OSError:  # another process was quicker
                remove_tree(made)
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
            doomed = f"{self.path}/{_STAGING}{os.urandom(8).hex()}"
            os.rename(path, doomed)
            sync_directory(self.path)
            remove_tree(doomed)
        finally:
            os.close(descriptor)
        return True


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


def _refuse_unsuitable(path: str) -> None:
    # Needed only where something is unpacked, and this module on every run.
    from imgfetch.fs.filesystem import shortcoming

    reason = shortcoming(path)
    if reason is not None:
        raise StoreError(reason, hint="name a store on another file system with --store")


def _remove_abandoned(path: str) -> None:
    descriptor = claim_abandoned(path)
    if descriptor is not None:
        try:
            remove_tree(path)
        finally:
            os.close(descriptor)


def _write_record(path: str, record: SnapshotRecord) -> None:
    from dataclasses import asdict  # slow to import, and most runs unpack nothing

    descriptor = os.open(path, _FILE, 0o600)
    try:
        write_all(descriptor, json.dumps(asdict(record)).encode())
    finally:
        os.close(descriptor)
