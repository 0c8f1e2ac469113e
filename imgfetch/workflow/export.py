"""An image's root filesystem to a file: a tar, a squashfs or an erofs.

A tar and a squashfs are written straight from the layers: owners, devices and times are the
image's, whoever runs this. An erofs is made of an unpacked tree, since its program
takes nothing else everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from imgfetch.archive.filesystem import SQUASHFS_TIME_LIMIT, make_erofs, make_squashfs
from imgfetch.archive.output import open_output, staged_path
from imgfetch.tar.numbers import NANOSECONDS
from imgfetch.tar.writer import TarWriter
from imgfetch.workflow.flatten import everything

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.archive.output import Target
    from imgfetch.oci.digest import Digest
    from imgfetch.tar.compressor import Compression
    from imgfetch.tar.entry import Entry
    from imgfetch.workflow.flatten import Flattened

ExportForm = Literal["tar", "squashfs", "erofs"]


def export_tar(flattened: Flattened, target: Target, compression: Compression) -> int:
    """Write a root filesystem as a tar: the same image gives the same bytes.

    Returns:
        How many extended attributes were left out.

    Raises:
        UsageError: there can't be such a file.
        NoSpaceError: no space left; nothing of a new file stays.
        StoreError: it can't be written.
    """
    with open_output(target, compression) as write:
        archive = TarWriter(write)
        dropped = flattened.write(everything(flattened.tree), archive)
        archive.finish()
    return dropped


def export_squashfs(flattened: Flattened, program: str, path: str) -> int:
    """Write a root filesystem as a squashfs.

    Returns:
        How many extended attributes were left out.

    Raises:
        RuntimeFailedError: the program failed.
        NoSpaceError: no space left; nothing of a new file stays.
        UsageError: there can't be such a file.
    """
    root, *others = everything(flattened.tree)
    dropped = 0

    def write_tar(write: Callable[[bytes | memoryview], object]) -> None:
        nonlocal dropped
        archive = TarWriter(write)
        dropped = flattened.write(others, archive, adapt=_for_squashfs)
        archive.finish()

    with staged_path(path) as temporary:
        make_squashfs(program, temporary, _for_squashfs(root[1].inode.entry), write_tar)
    return dropped


def export_erofs(program: str, path: str, tree: str, digest: Digest) -> None:
    """Write an unpacked root filesystem as an erofs.

    Args:
        program: ``mkfs.erofs``.
        path: of the file.
        tree: the root filesystem.
        digest: of the image, which the file system's UUID is made of.

    Raises:
        RuntimeFailedError: the program failed.
        NoSpaceError: no space left; nothing of a new file stays.
        UsageError: there can't be such a file.
    """
    import uuid

    with staged_path(path) as temporary:
        make_erofs(program, temporary, tree, str(uuid.uuid5(uuid.NAMESPACE_OID, str(digest))))


def _for_squashfs(entry: Entry) -> Entry:
    """An entry as far as squashfs and its program have room for it."""
    seconds = min(max(entry.mtime_ns // NANOSECONDS, 0), SQUASHFS_TIME_LIMIT)
    return entry._replace(mtime_ns=seconds * NANOSECONDS)
