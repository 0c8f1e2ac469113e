"""Snapshots on their way to a name: made aside, and published when they are whole.

A directory of snapshots has directories named ``staging-…``, each locked by the process
that works in it; what dead processes have left is cleared away by whoever comes next.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from imgfetch.errors import StoreError
from imgfetch.fs import linux
from imgfetch.fs.atomic import make_directories, sync_directory
from imgfetch.fs.claim import claim_abandoned, make_claimed
from imgfetch.fs.filesystem import shortcoming
from imgfetch.fs.removal import remove_tree
from imgfetch.fs.space import no_space_told
from imgfetch.snapshot import record
from imgfetch.snapshot.directory import STAGING

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from imgfetch.snapshot.record import SnapshotRecord


@contextmanager
def staging(directory: str) -> Generator[str]:
    """A directory to make snapshots in; it is removed with all that was not published.

    What dead processes left of theirs is removed first.

    Args:
        directory: of snapshots; made if need be.

    Raises:
        NoSpaceError: no space or inodes left, also for what is made in it.
        StoreError: the file system can't hold root filesystems.
    """
    make_directories(directory)
    collect(directory)
    path = f"{directory}/{STAGING}{os.urandom(8).hex()}"
    descriptor = make_claimed(path)
    try:
        with no_space_told(directory):
            _refuse_unsuitable(path)
            yield path
    finally:
        try:
            remove_tree(path)
        finally:
            os.close(descriptor)


def collect(directory: str) -> None:
    """Remove what processes that ended in the middle have left in a directory of snapshots."""
    for name in os.listdir(directory):
        if name.startswith(STAGING):
            _remove_abandoned(f"{directory}/{name}")


def publish(directory: str, staged: Sequence[tuple[str, str, SnapshotRecord]]) -> None:
    """Give complete trees their names, the lowest first.

    Everything is on the disk before the first name is: a name means complete, also
    after a power loss.

    Args:
        directory: of snapshots.
        staged: directory in the staging directory, name, record.
    """
    if not staged:
        return
    for path, _, known in staged:
        record.write(path, known)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        linux.syncfs(descriptor)
    finally:
        os.close(descriptor)
    for path, name, _ in staged:
        try:
            os.rename(path, f"{directory}/{name}")
        except OSError as error:
            # Without working locks somebody else may have made the same: one is enough.
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
    sync_directory(directory)


def _refuse_unsuitable(path: str) -> None:
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
