"""What all layers of an image give together, as names in memory; nothing is unpacked.

The same rules as `imgfetch.layer.applier`, image-spec layer.md "Applying Changesets", with a
tree of entries in place of a directory: links on the way to a name are followed inside the
root, whiteouts remove what is of the layers below wherever in the archive they stand, and
where one layer has a name twice, the last entry counts. Owners, modes, times and devices
are the entries', whoever runs this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imgfetch.errors import LayerLimitError, MalformedLayerError, UnsafeLayerError
from imgfetch.fs.walk import LINK_LIMIT
from imgfetch.layer import whiteout
from imgfetch.layer.directory import IMPLICIT
from imgfetch.layer.names import split
from imgfetch.tar.entry import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imgfetch.tar.entry import Entry

# Names are held in memory; no image that people make has as many.
NAME_LIMIT = 4_000_000
_KNOWN_LIMIT = 100_000


class Inode(NamedTuple):
    """What one entry made; hard links share it, so identity counts.

    Attributes:
        entry: what it says.
        layer: the number of the layer that it is in, from 0.
    """

    entry: Entry
    layer: int


class Node:
    """A name in a directory.

    Attributes:
        inode: what is there.
        layer: the number of the last layer that has said so.
        children: of a directory, by name; None of anything else.
    """

    __slots__ = ("children", "inode", "layer")

    def __init__(self, inode: Inode, layer: int) -> None:
        self.inode = inode
        self.layer = layer
        self.children: dict[bytes, Node] | None = {} if inode.entry.kind == "directory" else None

    @property
    def kind(self) -> str:
        """What it is; see `imgfetch.tar.entry.Entry`."""
        return self.inode.entry.kind


class MergedTree:
    """The root filesystem that some layers make.

    Attributes:
        root: the root directory.
    """

    def __init__(self) -> None:
        self._layer = -1
        self._names = 0
        self._known: dict[bytes, Node] = {}
        self.root = Node(Inode(IMPLICIT, -1), -1)

    def add_layer(self, entries: Iterable[Entry]) -> None:
        """Put a layer on top.

        Raises:
            MalformedLayerError: an entry that contradicts others.
            UnsafeLayerError: an entry with no safe meaning.
            LayerLimitError: beyond the limits.
        """
        self._layer += 1
        self._known.clear()
        for entry in entries:
            self._add(entry)

    def copy(self) -> MergedTree:
        """The same tree, for other layers on top; what entries made is shared."""
        other = MergedTree()
        other._layer, other._names = self._layer, self._names
        other.root = Node(self.root.inode, self.root.layer)
        waiting = [(self.root.children or {}, other.root)]
        while waiting:
            children, there = waiting.pop()
            there.children = {}
            for name, node in children.items():
                twin = there.children[name] = Node(node.inode, node.layer)
                if node.children:
                    waiting.append((node.children, twin))
        return other

    def find(self, path: bytes, *, follow: bool = False) -> Node | None:
        """What has a path; links on the way are followed inside the root.

        Args:
            path: relative to the root, whether or not it starts with a slash.
            follow: whether a link at its end is followed as well.

        Raises:
            UnsafeLayerError: too many links.
        """
        if follow:
            return self._walk(path, create=False)
        directory, _, name = path.rstrip(b"/").rpartition(b"/")
        if name in {b"", b".", b".."}:
            return self._directory(path, create=False)
        above = self._directory(directory, create=False)
        return None if above is None or above.children is None else above.children.get(name)

    def walk(self, top: Node, path: bytes = b"") -> Iterator[tuple[bytes, Node]]:
        """Everything below a node and itself, by path: each directory before what is in it."""
        waiting = [(path, top)]
        while waiting:
            path, node = waiting.pop()
            yield path, node
            if node.children is not None:
                prefix = path + b"/" if path else b""
                names = sorted(node.children, reverse=True)
                waiting += [(prefix + name, node.children[name]) for name in names]

    # Entries

    def _add(self, entry: Entry) -> None:
        path, name = split(entry.name)
        if not name:
            self._describe_root(entry)
            return
        if b".wh." in entry.name and self._whiteout(path, name):
            return
        directory = self._directory(path, create=True)
        if directory is None or directory.children is None:
            message = f"{printable(entry.name)} is in no directory"
            raise MalformedLayerError(message)
        self._put(entry, directory, directory.children, name)

    def _describe_root(self, entry: Entry) -> None:
        if entry.kind != "directory":
            message = f"{printable(entry.name)} would replace the root directory"
            raise UnsafeLayerError(message, actual=entry.kind)
        self.root.inode = Inode(entry, self._layer)

    def _put(self, entry: Entry, directory: Node, children: dict[bytes, Node], name: bytes) -> None:
        if entry.kind == "symlink" and not entry.target:
            message = f"{printable(entry.name)} is a link to nothing"
            raise MalformedLayerError(message)
        present = children.get(name)
        if entry.kind == "hardlink":
            inode = self._linked(entry, present)
        else:
            inode = Inode(entry, self._layer)
        if present is not None and present.children is not None and entry.kind == "directory":
            present.inode = inode
            present.layer = self._layer
            return
        if present is not None:
            self._remove(directory, children, name)
        if entry.kind == "char" and (entry.major, entry.minor) == (0, 0):
            return  # overlayfs would take it for a whiteout
        self._make(directory, children, name, inode)

    def _linked(self, entry: Entry, present: Node | None) -> Inode:
        """What a hard link repeats, which may not go with what the link takes the place of."""
        path, name = split(entry.target)
        directory = self._directory(path, create=False) if name else None
        target = None
        if directory is not None and directory.children is not None:
            target = directory.children.get(name)
        if present is not None and present.children is not None:
            within = any(node is directory for _, node in self.walk(present))
            target = None if within else target
        if target is None:
            message = f"{printable(entry.name)} is a hard link to a file that is not there"
            raise MalformedLayerError(message, actual=printable(entry.target))
        if target.children is not None:
            message = f"{printable(name)} is a directory, which a hard link can't repeat"
            raise UnsafeLayerError(message)
        return target.inode

    def _make(
        self, directory: Node, children: dict[bytes, Node], name: bytes, inode: Inode
    ) -> Node:
        self._names += 1
        if self._names > NAME_LIMIT:
            message = "the layers have too many entries"
            raise LayerLimitError(message, expected=f"at most {NAME_LIMIT}")
        node = children[name] = Node(inode, self._layer)
        self._made(directory, name, node)
        return node

    def _remove(self, directory: Node, children: dict[bytes, Node], name: bytes) -> None:
        node = children.pop(name)
        # Any path may have led through it, if it was a directory or a link.
        if node.kind in {"directory", "symlink"}:
            self._known.clear()
        self._removed(directory, name, node)

    # For trees that keep books

    def _made(self, directory: Node, name: bytes, node: Node) -> None:
        """Called for each name that comes to be, directories before what is in them."""

    def _removed(self, directory: Node, name: bytes, node: Node) -> None:
        """Called for each name that is taken away, with all that is below it still there."""

    # Whiteouts

    def _whiteout(self, path: bytes, name: bytes) -> bool:
        """Do what a name means; False when it has no such meaning."""
        if whiteout.is_note(path + b"/" + name):
            return True
        found = whiteout.classify(name)
        if found is None:
            return False
        directory = self._directory(path, create=False)
        if directory is None:
            return True
        left = [directory]
        if found.hides is not None:
            left = self._hide(directory, found.hides)
        while left:
            here = left.pop()
            for inner in list(here.children or ()):
                left += self._hide(here, inner)
        return True

    def _hide(self, directory: Node, name: bytes) -> list[Node]:
        """Remove what the layers below have of a name.

        Returns:
            A directory that stays, and may have more to be removed in it.
        """
        children = directory.children or {}
        node = children.get(name)
        if node is None:
            return []
        if node.layer != self._layer:
            if not self._has_made(node):
                self._remove(directory, children, name)
                return []
            # This layer has something in it, and says nothing of the directory itself.
            node.inode = Inode(IMPLICIT, self._layer)
            node.layer = self._layer
        return [node] if node.children is not None else []

    def _has_made(self, node: Node) -> bool:
        waiting = [node]
        while waiting:
            for child in (waiting.pop().children or {}).values():
                if child.layer == self._layer:
                    return True
                waiting.append(child)
        return False

    # Paths

    def _directory(self, path: bytes, *, create: bool) -> Node | None:
        known = self._known.get(path)
        if known is None:
            known = self._walk(path, create=create)
            if known is None or known.children is None:
                return None
            # One directory has any number of paths, with `.` and `//` and through links.
            if len(self._known) > _KNOWN_LIMIT:
                self._known.clear()
            self._known[path] = known
        return known

    def _walk(self, path: bytes, *, create: bool) -> Node | None:
        """What a path leads to, links followed; None when something is missing."""
        above = [self.root]
        todo = path.split(b"/")[::-1]
        hops = 0
        while todo:
            name = todo.pop()
            if name in {b"", b"."}:
                continue
            if name == b"..":
                above = above[:-1] or above
                continue
            node = self._enter(above[-1], name, create=create)
            if node is None:
                return None
            if node.kind != "symlink":
                above.append(node)
                continue
            hops += 1
            if hops > LINK_LIMIT:
                message = f"{printable(path)}: too many symbolic links on the way"
                raise UnsafeLayerError(message)
            target = node.inode.entry.target
            if target.startswith(b"/"):
                above = [self.root]
            todo += target.split(b"/")[::-1]
        return above[-1]

    def _enter(self, directory: Node, name: bytes, *, create: bool) -> Node | None:
        """A name in a directory; a new directory where nothing is that could be on the way."""
        if directory.children is None:
            return None
        node = directory.children.get(name)
        if not create or (node is not None and node.kind in {"directory", "symlink"}):
            return node
        if node is not None:
            self._remove(directory, directory.children, name)
        return self._make(directory, directory.children, name, Inode(IMPLICIT, self._layer))
