"""Whole trees as values, so that a test compares all of what was made and not a part of it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

Kind = Literal["file", "dir", "symlink", "char", "block", "fifo", "socket"]

_KINDS: tuple[tuple[int, Kind], ...] = (
    (stat.S_IFREG, "file"),
    (stat.S_IFDIR, "dir"),
    (stat.S_IFLNK, "symlink"),
    (stat.S_IFCHR, "char"),
    (stat.S_IFBLK, "block"),
    (stat.S_IFIFO, "fifo"),
    (stat.S_IFSOCK, "socket"),
)


@dataclass(frozen=True, slots=True)
class Node:
    """Everything about one path that a tar archive can say.

    Attributes:
        kind: what it is.
        mode: permission bits, setuid, setgid and sticky bit.
        uid: the owner.
        gid: the group.
        mtime_ns: nanoseconds since the epoch.
        size: of regular files; None for others, where file systems differ.
        sha256: of a regular file's content.
        target: of symbolic links.
        rdev: major and minor number of devices.
        xattrs: extended attributes, as sorted pairs.
        links: all names of this file within the tree, where there are several.
    """

    kind: Kind
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size: int | None = None
    sha256: str | None = None
    target: str | None = None
    rdev: tuple[int, int] | None = None
    xattrs: tuple[tuple[str, bytes], ...] = ()
    links: tuple[str, ...] = field(default=())


Tree = dict[str, Node]

_IGNORED: dict[str, object] = {
    "mode": 0,
    "uid": 0,
    "gid": 0,
    "mtime_ns": 0,
    "size": None,
    "sha256": None,
    "xattrs": (),
    "links": (),
}


def snapshot_tree(root: Path, *, ignore: Collection[str] = ()) -> Tree:
    """Reads a tree, following nothing.

    Args:
        root: a directory; it is the entry ``.``.
        ignore: names of `Node`'s attributes to leave at a fixed value, for trees that can't
            agree on them (``mtime_ns`` of directories made in passing, ``uid`` without root).

    Returns:
        By path relative to the root, with undecodable bytes as surrogates.
    """
    blank = {name: _IGNORED[name] for name in ignore}
    names: dict[tuple[int, int], list[str]] = defaultdict(list)
    nodes: list[tuple[str, os.stat_result, Node]] = []
    for path, full in _walk(root):
        status = os.lstat(full)
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            names[status.st_dev, status.st_ino].append(path)
        nodes.append((path, status, _node(full, status)))
    tree = {}
    for path, status, node in nodes:
        links = tuple(sorted(names.get((status.st_dev, status.st_ino), ())))
        linked = replace(node, links=links if len(links) > 1 else ())
        # The names and types of `ignore` are checked by the look-up above.
        tree[path] = replace(linked, **blank)  # type: ignore[arg-type]
    return dict(sorted(tree.items()))


def without_directory_times(tree: Tree) -> Tree:
    """The tree, with no times of directories.

    No layer says when a directory that it does not name was made, or changed by a later layer.
    """
    return {
        path: replace(node, mtime_ns=0) if node.kind == "dir" else node
        for path, node in tree.items()
    }


def paths(root: Path) -> set[str]:
    """The paths below a directory, itself aside."""
    return {path for path, _ in _walk(root)} - {"."}


def _walk(root: Path) -> Iterator[tuple[str, str]]:
    """Each path relative to the root, with where it is; deep trees don't recurse."""
    waiting = ["."]
    while waiting:
        path = waiting.pop()
        full = os.path.join(root, path)
        yield path, full
        if stat.S_ISDIR(os.lstat(full).st_mode):
            waiting.extend(name if path == "." else f"{path}/{name}" for name in os.listdir(full))


def _node(full: str, status: os.stat_result) -> Node:
    kind = dict(_KINDS)[stat.S_IFMT(status.st_mode)]
    is_file = kind == "file"
    return Node(
        kind=kind,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        mtime_ns=status.st_mtime_ns,
        size=status.st_size if is_file else None,
        sha256=hashlib.sha256(Path(full).read_bytes()).hexdigest() if is_file else None,
        target=os.readlink(full) if kind == "symlink" else None,
        rdev=(os.major(status.st_rdev), os.minor(status.st_rdev))
        if kind in {"char", "block"}
        else None,
        xattrs=tuple(
            (name, os.getxattr(full, name, follow_symlinks=False))
            for name in sorted(os.listxattr(full, follow_symlinks=False))
        ),
    )
