"""Layers made side by side, put together into one tree.

What was unpacked is moved, not copied: a directory that is new comes as it is, with all
that is in it. The tree is the same as if one layer after the other had been applied.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from imgfetch.fs.atomic import make_directory
from imgfetch.fs.removal import remove_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgfetch.interfaces import LayerDiff, LayerStats
    from imgfetch.oci.image import Layer
    from imgfetch.snapshot.unpacker import Unpacker

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Any name will do: it is taken away again.
_OPAQUE = "user.overlay.opaque"


def unpack_merged(
    layers: Sequence[Layer], root: str, staging: str, unpacker: Unpacker
) -> list[LayerStats]:
    """Apply layers to an empty directory, side by side where they and the unpacker allow it.

    Args:
        layers: lowest first.
        root: path of the empty directory.
        staging: path of a directory on the same file system for what is under way.
        unpacker: applies layers.

    Raises:
        ImgfetchError: see `Unpacker.diffs`.
    """
    if len(layers) < 2 or not unpacker.side_by_side:  # noqa: PLR2004 - one has no other at its side
        return [unpacker.apply(layer, root) for layer in layers]
    trees = [root, *(f"{staging}/{number}" for number in range(1, len(layers)))]
    for tree in trees[1:]:
        make_directory(tree)
    done = unpacker.diffs(layers, trees, opaque=_OPAQUE, lowest=True)
    stats = []
    for number, (layer, tree, diff) in enumerate(zip(layers, trees, done, strict=True)):
        if diff is None:
            stats.append(unpacker.apply(layer, root))
        else:
            if number:
                merge(tree, root, diff)
            stats.append(diff.stats)
        if number:
            remove_tree(tree)
    return stats


def merge(upper: str, root: str, diff: LayerDiff) -> None:
    """Move a layer that was made an upper directory into the tree of those below it.

    Args:
        upper: path of the layer's directory; it is left without most of its content.
        root: path of the tree.
        diff: what is known of the layer.
    """
    times = os.stat(root)
    merging = _Merging(os.fsencode(upper), os.fsencode(root), diff)
    merging.run()
    if not diff.stats.describes_root:
        os.utime(root, ns=(times.st_atime_ns, times.st_mtime_ns))


class _Merging:
    """One layer on its way.

    Paths are relative to both roots and lead through directories that are there in both.
    """

    def __init__(self, upper: bytes, root: bytes, diff: LayerDiff) -> None:
        self._upper = upper
        self._root = root
        self._diff = diff
        self._whiteouts = frozenset(diff.whiteouts)
        self._opaques = frozenset(diff.opaques)
        # With what each had before anything was moved out of it.
        self._merged: list[tuple[bytes, os.stat_result]] = []

    def run(self) -> None:
        waiting = [b""]
        while waiting:
            path = waiting.pop()
            self._merged.append((path, os.stat(self._upper + path)))
            waiting += self._directory(path)
        self._clean()
        for path, status in reversed(self._merged):
            if path or self._diff.stats.describes_root:
                _copy_metadata(self._upper + path, self._root + path, status)

    def _directory(self, path: bytes) -> list[bytes]:
        """Move what is in a directory; returns the directories in it that are in both."""
        both = []
        with os.scandir(self._upper + path) as entries:
            for entry in entries:
                name = os.fsencode(entry.name)
                inner = path + b"/" + name
                if entry.is_dir(follow_symlinks=False):
                    if self._take_directory(inner):
                        both.append(inner)
                elif inner[1:] in self._whiteouts:
                    remove_tree(self._root + inner)
                else:
                    self._take_file(inner)
        return both

    def _take_directory(self, path: bytes) -> bool:
        """Move a directory; False when it was moved, True when it has to be merged."""
        target = self._root + path
        status = _status(target)
        if status is not None:
            if stat.S_ISDIR(status.st_mode) and path[1:] not in self._opaques:
                return True
            remove_tree(target)
        os.rename(self._upper + path, target)
        return False

    def _take_file(self, path: bytes) -> None:
        target = self._root + path
        try:
            os.rename(self._upper + path, target)
        except IsADirectoryError:
            remove_tree(target)
            os.rename(self._upper + path, target)

    def _clean(self) -> None:
        """Take the marks away that came with directories moved whole."""
        for path in self._diff.whiteouts:
            target = self._root + b"/" + path
            status = _status(target)
            if status is not None and stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                _unlink_unseen(target)
        for path in self._diff.opaques:
            directory = self._root + b"/" + path
            if _status(directory) is not None and _OPAQUE in os.listxattr(directory):
                os.removexattr(directory, _OPAQUE)


def _unlink_unseen(path: bytes) -> None:
    """Remove a name; its directory's times stay what they were."""
    above = os.path.dirname(path)
    times = os.stat(above)
    os.unlink(path)
    os.utime(above, ns=(times.st_atime_ns, times.st_mtime_ns))


def _copy_metadata(source: bytes, target: bytes, wanted: os.stat_result) -> None:
    """Give one directory all that another one has, or had, besides its content."""
    there = os.stat(target)
    if (wanted.st_uid, wanted.st_gid) != (there.st_uid, there.st_gid):
        os.chown(target, wanted.st_uid, wanted.st_gid)
    if wanted.st_mode != os.stat(target).st_mode:
        os.chmod(target, stat.S_IMODE(wanted.st_mode))
    attributes = os.listxattr(source)
    for name in os.listxattr(target):
        # What the host gives every directory can't be taken away, and need not be.
        if name not in attributes and name.startswith("user."):
            os.removexattr(target, name)
    for name in attributes:
        if name.startswith("user."):
            os.setxattr(target, name, os.getxattr(source, name))
    os.utime(target, ns=(wanted.st_atime_ns, wanted.st_mtime_ns))


def _status(path: bytes) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
