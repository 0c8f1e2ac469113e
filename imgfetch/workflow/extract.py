"""Single paths out of an image, without unpacking it.

A path is looked up as the image's programs would: links on the way are followed inside
the root. What is found is called what was asked for, with all that is below a directory;
a link stays a link unless it is to be followed.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from imgfetch.archive.output import open_output, output_errors
from imgfetch.errors import NotFoundError, UsageError
from imgfetch.fs.atomic import PRIVATE_DIRECTORY, temporary_name, write_all
from imgfetch.fs.removal import remove_tree
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import DiffID, Digest, new_hash
from imgfetch.oci.image import Layer
from imgfetch.tar.entry import printable
from imgfetch.tar.writer import TarWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imgfetch.interfaces import LayerApplier, LayerStats
    from imgfetch.layer.merged import MergedTree
    from imgfetch.workflow.flatten import Flattened, Named


def select(tree: MergedTree, paths: Iterable[str], *, follow: bool, where: str) -> list[Named]:
    """What some paths name, by path.

    Args:
        tree: of the image.
        paths: with or without a slash before them.
        follow: whether links at their ends are followed.
        where: the image, for errors.

    Raises:
        NotFoundError: there is no such path.
        UsageError: a path leads upwards, or is below another one that is a link.
        UnsafeLayerError: too many links.
    """
    chosen: dict[bytes, Named] = {}
    for path in paths:
        name = _plain(path)
        node = tree.find(name, follow=follow) if name else tree.root
        if node is None:
            message = f"{where} has no {path!r}"
            raise NotFoundError(message, hint="imgfetch export … | tar t lists what it has")
        chosen.update((inner, (inner, found)) for inner, found in tree.walk(node, name))
    for name, (_, node) in chosen.items():
        if node.children is None and any(other.startswith(name + b"/") for other in chosen):
            message = f"{printable(name)} is a link here, so nothing can be put below it"
            raise UsageError(message, hint="name a directory of its own for each")
    return [chosen[name] for name in sorted(chosen, key=lambda name: name.split(b"/"))]


def extract_to_stream(flattened: Flattened, named: Sequence[Named], target: int) -> int:
    """Write what was selected as a tar.

    Returns:
        How many extended attributes were left out.
    """
    with open_output(target) as write:
        archive = TarWriter(write)
        dropped = flattened.write(named, archive)
        archive.finish()
    return dropped


def extract_to_directory(
    flattened: Flattened, named: Sequence[Named], directory: str, applier: LayerApplier
) -> LayerStats:
    """Make what was selected in a directory; nothing that is there is touched.

    Args:
        flattened: the image.
        named: what was selected.
        directory: made if it isn't there.
        applier: makes the files, with the owners that there are here.

    Raises:
        UsageError: one of the names is there already, or can't be.
        NoSpaceError: no space left; nothing stays.
        LayerError: something can't be made here.
    """
    # The root's own attributes would become the directory's.
    below = [(name, node) for name, node in named if name]
    tops = _tops(name for name, _ in below)
    with output_errors(directory):
        os.makedirs(directory, exist_ok=True)
        _check_free(directory, tops)
        staging = os.path.join(directory, temporary_name("imgfetch"))
        os.mkdir(staging, PRIVATE_DIRECTORY)
        try:
            stats = _apply(flattened, below, staging, applier)
            for top in tops:
                _move(top, os.fsencode(staging), os.fsencode(directory))
        finally:
            remove_tree(staging)
    return stats


def _plain(path: str) -> bytes:
    names = [name for name in os.fsencode(path).split(b"/") if name not in {b"", b"."}]
    if b".." in names:
        message = f"{path!r} leads upwards"
        raise UsageError(message, hint="name it by its path from the root")
    return b"/".join(names)


def _tops(names: Iterable[bytes]) -> list[bytes]:
    """Those names that are not below another one; a directory comes before what is in it."""
    tops: list[bytes] = []
    for name in names:
        if not tops or not name.startswith(tops[-1] + b"/"):
            tops.append(name)
    return tops


def _apply(
    flattened: Flattened, named: Sequence[Named], staging: str, applier: LayerApplier
) -> LayerStats:
    """Make files the way layers are unpacked, with all that is refused there."""
    import tempfile

    hashed = new_hash("sha256")
    with tempfile.TemporaryFile(dir=staging, buffering=0) as file:

        def write(data: bytes | memoryview) -> None:
            write_all(file.fileno(), data)
            hashed.update(data)

        archive = TarWriter(write)
        flattened.write(named, archive)
        archive.finish()
        size = file.seek(0, os.SEEK_CUR)
        digest = Digest("sha256", hashed.hexdigest())
        layer = Layer(Descriptor(mediatype.OCI_LAYER, digest, size), DiffID(digest))
        file.seek(0)
        root = os.open(staging, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            return applier.apply(file, layer, root)
        finally:
            os.close(root)


def _check_free(directory: str, names: Iterable[bytes]) -> None:
    for name in names:
        path = os.path.join(os.fsencode(directory), name)
        if os.path.lexists(path):
            message = f"{os.fsdecode(path)} is there already"
            raise UsageError(message, hint="nothing was changed: name another directory")


def _move(name: bytes, staging: bytes, directory: bytes) -> None:
    *above, _ = name.split(b"/")
    here = directory
    for parent in above:
        here = os.path.join(here, parent)
        with suppress(FileExistsError):
            os.mkdir(here)
        # An image's own link, extracted before, could lead anywhere.
        if not stat.S_ISDIR(os.lstat(here).st_mode):
            message = f"{os.fsdecode(here)} is no directory"
            raise UsageError(message, hint="name another directory")
    source, target = os.path.join(staging, name), os.path.join(directory, name)
    status = os.lstat(source)
    movable = stat.S_ISDIR(status.st_mode) and not status.st_mode & stat.S_IWUSR
    if movable:
        # To move a directory, its owner has to be allowed to write to it.
        os.chmod(source, stat.S_IMODE(status.st_mode) | stat.S_IWUSR)
    os.rename(source, target)
    if movable:
        os.chmod(target, stat.S_IMODE(status.st_mode))
