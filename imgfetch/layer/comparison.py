"""What is different between two root filesystems that were merged in memory.

Times are told apart from the rest: a file that is only newer is the same file, built again.
Content is not looked at here. Where all else leaves it open whether two files are the same,
`Pair.open` says so, and `imgfetch.workflow.diff` reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.layer.merged import MergedTree, Node
    from imgfetch.tar.entry import Entry

Aspect = Literal["type", "content", "target", "device", "mode", "owner", "xattrs", "time"]
"""What of a path can be different."""


class Pair(NamedTuple):
    """A path that is different, or may be.

    Attributes:
        path: from the root; empty for the root itself.
        before: what it was; None where nothing was.
        after: what it is; None where nothing is.
        aspects: what is known to be different, where there are both.
        open: whether only their content can tell if files are the same.
    """

    path: bytes
    before: Node | None
    after: Node | None
    aspects: tuple[Aspect, ...] = ()
    open: bool = False


def compare(before: MergedTree, after: MergedTree) -> Iterator[Pair]:
    """All paths that are different or may be, in order; each directory before its content."""
    waiting: list[tuple[bytes, Node | None, Node | None]] = [(b"", before.root, after.root)]
    while waiting:
        path, old, new = waiting.pop()
        if old is None or new is None:
            yield Pair(path, old, new)
        elif old.inode is not new.inode:
            pair = _pair(path, old, new)
            if pair.aspects or pair.open:
                yield pair
        older = (old.children if old is not None else None) or {}
        newer = (new.children if new is not None else None) or {}
        prefix = path + b"/" if path else b""
        names = sorted(older.keys() | newer.keys(), reverse=True)
        waiting += [(prefix + name, older.get(name), newer.get(name)) for name in names]


def _pair(path: bytes, before: Node, after: Node) -> Pair:
    old, new = before.inode.entry, after.inode.entry
    if old.kind != new.kind:
        return Pair(path, before, after, ("type",))
    different: dict[Aspect, bool] = {
        "content": _content(old) != _content(new),
        "target": old.kind == "symlink" and old.target != new.target,
        "device": (old.major, old.minor) != (new.major, new.minor),
        # Links have a mode in archives, and none anywhere else.
        "mode": old.mode != new.mode and old.kind != "symlink",
        "owner": (old.uid, old.gid) != (new.uid, new.gid),
        "xattrs": sorted(old.xattrs) != sorted(new.xattrs),
        "time": old.mtime_ns != new.mtime_ns,
    }
    aspects = tuple(aspect for aspect, is_different in different.items() if is_different)
    is_open = old.kind == "file" and not different["content"] and old.stored > 0
    return Pair(path, before, after, aspects, is_open)


def _content(entry: Entry) -> object:
    """What of a file's content its header tells; files with other holes count as different."""
    return entry.size, entry.stored, entry.sparse
