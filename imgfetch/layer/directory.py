"""What is known of one directory while a layer is applied.

Of the names that a layer makes, only those in directories of the layers below are
remembered: whiteouts have no say about anything else (image-spec layer.md: they apply to
lower layers only, wherever in the archive they stand).
"""

from __future__ import annotations

from imgfetch.tar.entry import Entry

# A directory that only its content speaks of: root's, readable, and the same every time.
IMPLICIT = Entry(b"", "directory", 0, 0o755, 0, 0, 0, b"", 0, 0, 0, 0)


class Directory:
    """A directory that the layer touches.

    Attributes:
        parent: the root's is itself.
        name: in its parent.
        children: directories known in it; other directories may be there.
        entry: what the layer says of it; None when it says nothing.
        made_with: the mode that it was made with for this layer; None for one that was there.
        inherits: whether what is made in it gets its group.
        made: names that this layer made in it; None when nothing in it can be of a layer
            below, so that there is nothing to remember.
        filled: whether the layer made anything in it.
        changed: whether anything was made in it or removed from it.
        times: atime and mtime before that, of a directory of the layers below.
        permissions: to be restored at the end; None when they were not touched.
        removed: whether it is gone.
    """

    __slots__ = (
        "changed",
        "children",
        "entry",
        "fd",
        "filled",
        "inherits",
        "made",
        "made_with",
        "name",
        "parent",
        "permissions",
        "removed",
        "times",
    )

    def __init__(self, parent: Directory | None, name: bytes) -> None:
        self.parent = self if parent is None else parent
        self.name = name
        self.fd = -1
        self.children: dict[bytes, Directory] = {}
        self.entry: Entry | None = None
        self.made_with: int | None = None
        self.inherits = False
        self.made: set[bytes] | None = None
        self.filled = False
        self.changed = False
        self.times = (0, 0)
        self.permissions: int | None = None
        self.removed = False

    @property
    def path(self) -> bytes:
        """The real path from the root, without links."""
        names = []
        here = self
        while here.parent is not here:
            names.append(here.name)
            here = here.parent
        return b"/".join(reversed(names))

    def note(self, name: bytes) -> None:
        """The layer has made something of this name here."""
        self.changed = self.filled = True
        if self.made is not None:
            self.made.add(name)

    def has_made(self) -> bool:
        """Whether anything in this directory or further below is of this layer."""
        waiting = [self]
        while waiting:
            directory = waiting.pop()
            if directory.made_with is not None or directory.filled:
                return True
            waiting += directory.children.values()
        return False
