"""What applying layers means, on a tree in memory: slow, simple, without an operating system.

Every name in a directory remembers the layer that gave it; whiteouts look at nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from tests.support.contents import MTIME

LINK_LIMIT = 40

Path = tuple[str, ...]


class RefusedError(Exception):
    """The layer has an entry that can't be applied."""


@dataclass(frozen=True, slots=True)
class Op:
    """One entry.

    Attributes:
        kind: of entry; ``whiteout`` and ``opaque`` carry the path without a prefix.
        path: components of the name; empty for the root.
        mode: of it.
        mtime: in seconds.
        text: a file's content, or a symbolic link's target.
        target: components of the name that a hard link repeats.
    """

    kind: Literal["file", "dir", "symlink", "hardlink", "fifo", "whiteout", "opaque"]
    path: tuple[str, ...]
    mode: int = 0o644
    mtime: int = MTIME
    text: str = ""
    target: tuple[str, ...] = ()


@dataclass(eq=False, slots=True)
class Node:
    """Something with names; the same object under each of them."""

    kind: str
    mode: int
    mtime: int
    text: str = ""
    parent: Node | None = None
    names: dict[str, Name] = field(default_factory=dict)
    named_by: int = -1


@dataclass(slots=True)
class Name:
    """An entry of a directory: what it leads to, and the layer that made it."""

    node: Node
    layer: int


def _is_within(directory: Node, above: Node) -> bool:
    here: Node | None = directory
    while here is not None and here is not above:
        here = here.parent
    return here is not None


def _directory(parent: Node | None) -> Node:
    """A directory that only its content speaks of."""
    return Node("dir", 0o755, 0, parent=parent)


class Model:
    """A tree, and layers applied to it.

    Attributes:
        root: its top.
    """

    def __init__(self, mode: int, mtime: int) -> None:
        self.root = Node("dir", mode, mtime)
        self._layer = -1

    def apply(self, ops: list[Op]) -> None:
        """Applies a layer; after `RefusedError` the tree is of no use."""
        self._layer += 1
        for op in ops:
            if op.kind == "whiteout":
                self._whiteout(op)
            elif op.kind == "opaque":
                directory = self._find(op.path, create=False)
                if directory is not None:
                    self._clear(directory)
            elif not op.path:
                self._describe(self.root, op)
            else:
                self._make(op)

    def everything(self) -> Iterator[tuple[str, Node]]:
        """All paths and what is there."""
        waiting = [(".", self.root)]
        while waiting:
            path, node = waiting.pop()
            yield path, node
            for name, entry in node.names.items():
                waiting.append((name if path == "." else f"{path}/{name}", entry.node))

    def _describe(self, node: Node, op: Op) -> None:
        if op.kind != "dir":
            raise RefusedError
        node.mode, node.mtime, node.named_by = op.mode, op.mtime, self._layer

    def _make(self, op: Op) -> None:
        directory = self._find(op.path[:-1], create=True)
        assert directory is not None
        name = op.path[-1]
        present = directory.names.get(name)
        if op.kind == "hardlink":
            where, node = self._source(op)
            if present is not None and _is_within(where, present.node):
                raise RefusedError
        elif op.kind == "dir" and present is not None and present.node.kind == "dir":
            node = present.node
            self._describe(node, op)
        else:
            node = Node(op.kind, op.mode, op.mtime, op.text, directory, named_by=self._layer)
        directory.names[name] = Name(node, self._layer)

    def _source(self, op: Op) -> tuple[Node, Node]:
        directory = self._find(op.target[:-1], create=False)
        entry = directory.names.get(op.target[-1]) if directory is not None else None
        if directory is None or entry is None or entry.node.kind == "dir":
            raise RefusedError
        return directory, entry.node

    def _find(self, path: tuple[str, ...], *, create: bool) -> Node | None:
        here = self.root
        todo = list(reversed(path))
        hops = 0
        while todo:
            name = todo.pop()
            if name in {"", "."}:
                continue
            if name == "..":
                here = here.parent or self.root
                continue
            entry = here.names.get(name)
            if entry is not None and entry.node.kind == "dir":
                here = entry.node
            elif entry is not None and entry.node.kind == "symlink":
                hops += 1
                if hops > LINK_LIMIT:
                    raise RefusedError
                if entry.node.text.startswith("/"):
                    here = self.root
                todo += reversed(entry.node.text.split("/"))
            elif not create:
                return None
            else:
                made = _directory(here)
                made.named_by = self._layer
                here.names[name] = Name(made, self._layer)
                here = made
        return here

    def _whiteout(self, op: Op) -> None:
        directory = self._find(op.path[:-1], create=False)
        if directory is not None and op.path[-1] in directory.names:
            self._hide(directory, op.path[-1])

    def _hide(self, directory: Node, name: str) -> None:
        entry = directory.names[name]
        if entry.layer == self._layer:
            self._clear(entry.node)
        elif self._has_own(entry.node):
            if entry.node.named_by != self._layer:
                entry.node.mode, entry.node.mtime = 0o755, 0
                entry.node.named_by = self._layer
            entry.layer = self._layer
            self._clear(entry.node)
        else:
            del directory.names[name]

    def _clear(self, directory: Node) -> None:
        for name in list(directory.names):
            self._hide(directory, name)

    def _has_own(self, node: Node) -> bool:
        return any(
            entry.layer == self._layer or self._has_own(entry.node) for entry in node.names.values()
        )
