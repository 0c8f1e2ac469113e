"""What each layer of an image carries, and what became of it: accounts, not files.

The layers are merged in memory by `imgfetch.layer.merged`, which says what an image's root
filesystem is; here is written down what it took to get there. A file that an upper layer
replaces or whites out is in the image all the same: it is stored, fetched and kept for
nothing. Where in an archive a whiteout stands makes no difference (image-spec layer.md).

Bytes are those that the archives hold, so holes of sparse files count nothing, and a hard
link counts nothing beside the file that it repeats. Headers and padding are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from imgfetch.layer.merged import MergedTree

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgfetch.layer.merged import Inode, Node
    from imgfetch.tar.entry import Entry


class Fate(NamedTuple):
    """What became of a file that is not in the root filesystem any more.

    Attributes:
        how: ``replaced`` when there is something else under its name, ``removed`` when there
            is nothing, or a directory.
        layer: the number of the layer that did it, from 0; the file's own, where an archive
            has one name twice.
    """

    how: Literal["replaced", "removed"]
    layer: int


class Carried(NamedTuple):
    """A file that a layer carries.

    Attributes:
        path: from the root; of several names one that it still has, or the last it had.
        size: bytes of its content in the archive.
        layer: the number of the layer, from 0.
        fate: None while it has a name.
    """

    path: bytes
    size: int
    layer: int
    fate: Fate | None


class Changes(NamedTuple):
    """What a layer does to the names of everything but directories.

    Attributes:
        added: names that were not there.
        replaced: names of lower layers that stand for something else now.
        removed: names of lower layers that are gone.
    """

    added: int
    replaced: int
    removed: int


class LedgerTree(MergedTree):
    """A root filesystem, and the books of its layers.

    Attributes:
        changes: what each layer does, lowest first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[Changes] = []
        # Directories' paths. Each directory is named when it is made, so a number that
        # Python uses once more stands for the new one.
        self._paths: dict[int, bytes] = {id(self.root): b""}
        # All files' inodes; holding them keeps their ids theirs.
        self._carried: dict[int, Inode] = {}
        self._fates: dict[int, tuple[bytes, Fate]] = {}
        # Of the layer that is being added: names that are its, and names that it took away.
        self._own: set[bytes] = set()
        self._lost: set[bytes] = set()
        self._gone: dict[int, bytes] = {}

    def add_layer(self, entries: Iterable[Entry]) -> None:
        """See `MergedTree.add_layer`."""
        super().add_layer(entries)
        own, lost = self._own, self._lost
        replaced = len(own & lost)
        self.changes.append(Changes(len(own) - replaced, replaced, len(lost) - replaced))
        for number, path in self._gone.items():
            how: Literal["replaced", "removed"] = "replaced" if path in own else "removed"
            self._fates[number] = (path, Fate(how, self._layer))
        self._own, self._lost, self._gone = set(), set(), {}

    def carried(self) -> list[Carried]:
        """All files of all layers: those with names by path, then those that lost theirs."""
        present: dict[int, bytes] = {}
        for path, node in self.walk(self.root):
            if node.kind == "file":
                present.setdefault(id(node.inode), path)
        files = [
            Carried(path, inode.entry.stored, inode.layer, None)
            for path, inode in ((path, self._carried[number]) for number, path in present.items())
        ]
        for number, inode in self._carried.items():
            if number not in present:
                path, fate = self._fates[number]
                files.append(Carried(path, inode.entry.stored, inode.layer, fate))
        return files

    def _made(self, directory: Node, name: bytes, node: Node) -> None:
        path = self._path(directory, name)
        if node.children is not None:
            self._paths[id(node)] = path
            return
        self._own.add(path)
        if node.kind == "file":
            self._carried[id(node.inode)] = node.inode

    def _removed(self, directory: Node, name: bytes, node: Node) -> None:
        for path, gone in self.walk(node, self._path(directory, name)):
            if gone.children is not None:
                continue
            self._own.discard(path)
            if gone.layer != self._layer:
                self._lost.add(path)
            if gone.kind == "file":
                self._gone[id(gone.inode)] = path

    def _path(self, directory: Node, name: bytes) -> bytes:
        above = self._paths[id(directory)]
        return above + b"/" + name if above else name
