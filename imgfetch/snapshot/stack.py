"""The root filesystem of one run: snapshots below, and an empty writable layer on top.

In the run's directory there are afterwards ``rootfs``, ``upper`` and ``work``, and the
link that gives the mount its short names. With the writable layer in memory, a
tmpfs on ``work`` holds both halves of it.
"""

from __future__ import annotations

import errno
import os

from imgfetch.errors import NamespaceError, StoreCorruptError
from imgfetch.fs import linux
from imgfetch.fs.atomic import make_directory
from imgfetch.lean import contextlib
from imgfetch.lean.typing import TYPE_CHECKING, Final
from imgfetch.snapshot.overlayfs import LINKS, mount_overlay

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from imgfetch.snapshot.directory import SnapshotDirectory

ROOTFS: Final = "rootfs"
_WORK = "work"


def mount_stack(
    snapshots: SnapshotDirectory,
    names: Sequence[str],
    directory: Path,
    *,
    initial: bool,
    in_memory: bool = False,
) -> Path:
    """Mount snapshots one over the other.

    Args:
        snapshots: where they are.
        names: of the snapshots, lowest first; with none the root is an empty directory.
        directory: of the run.
        initial: see `mount_overlay`.
        in_memory: whether what is written goes to memory instead of ``directory``.

    Returns:
        The root filesystem's path.

    Raises:
        NamespaceError: overlayfs can't be mounted there.
        StoreCorruptError: a snapshot is missing.
        NoSpaceError: no space or inodes left.
    """
    root = directory / ROOTFS
    make_directory(f"{root}", 0o755)
    if not names:
        return root
    with contextlib.suppress(FileExistsError):
        os.symlink(f"{snapshots.path}/{names[-1]}/{LINKS}", f"{directory}/{LINKS}")
    below = _writable_layer(directory, initial=initial, in_memory=in_memory)
    make_upper(f"{directory}/{below}upper", snapshots.tree(names[-1]))

    def mount() -> None:
        mount_overlay(
            os.fspath(directory),
            len(names),
            upper=f"{below}upper",
            work=f"{below}{_WORK}",
            target=ROOTFS,
            initial=initial,
        )

    try:
        mount()
    except StoreCorruptError:
        # A snapshot gets its links when it is the topmost one for the first time.
        snapshots.link(names)
        mount()
    return root


def unmount_stack(directory: Path) -> None:
    """Unmount what `mount_stack` mounted, so that the run's directory can be removed."""
    for name in (ROOTFS, _WORK):
        try:
            linux.unmount(f"{directory}/{name}", linux.MNT_DETACH)
        except OSError as error:
            # Nothing is mounted there, or there is no such directory at all.
            if error.errno not in {errno.EINVAL, errno.ENOENT}:
                raise


def make_upper(path: str, below: str) -> None:
    """Make an upper directory; its own attributes, which the root shows, are those below."""
    make_directory(path)
    inherit_root(path, below)


def inherit_root(path: str, below: str) -> None:
    """Give an upper directory the attributes of the one below it."""
    status = os.stat(below)
    os.chmod(path, status.st_mode & 0o7777)
    if status.st_uid or status.st_gid:
        os.chown(path, status.st_uid, status.st_gid)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _writable_layer(directory: Path, *, initial: bool, in_memory: bool) -> str:
    """Make the work directory; returns what the writable layer is below."""
    make_directory(f"{directory}/{_WORK}")
    if not in_memory:
        return ""
    try:
        linux.mount("tmpfs", f"{directory}/{_WORK}", "tmpfs", 0, "mode=0700")
        make_directory(f"{directory}/{_WORK}/{_WORK}")
        if not initial:
            # tmpfs takes user attributes since Linux 6.6; without, directories that are
            # removed and made again would fail with EIO.
            os.setxattr(f"{directory}/{_WORK}", "user.overlay.probe", b"")
    except OSError as error:
        from imgfetch.remedies import COPY

        message = f"a file system in memory can't be used in {directory}: {error.strerror}"
        raise NamespaceError(message, hint=COPY) from error
    return f"{_WORK}/"
