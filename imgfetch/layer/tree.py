"""The tree that a layer is applied to: its directories, as far as the layer touches them.

Names are resolved component by component, each real directory once: paths that lead
through links end at the same `Directory` as the direct ones. A link means what it means
inside the root: absolute targets start there, ``..`` stops there. So nothing outside can
be reached, and what is known of a directory can't go stale, as long as everything that
replaces a name goes through `Tree.remove`.

Of the names that a layer makes, only those in directories of the layers below are
remembered: whiteouts have no say about anything else (image-spec layer.md: they apply to
lower layers only, wherever in the archive they stand).
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from imgfetch.fs.removal import remove_tree
from imgfetch.fs.rootdir import LINK_LIMIT
from imgfetch.tar.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

# A directory that only its content speaks of: root's, readable, and the same every time.
IMPLICIT = Entry(b"", "directory", 0, 0o755, 0, 0, 0, b"", 0, 0, 0, 0)

_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Descriptors open at a time; when there are more, all are closed and opened again as needed.
_OPEN_LIMIT = 200


class Directory:
    """A directory that the layer touches.

    Attributes:
        parent: the root's is itself.
        name: in its parent.
        children: directories known in it; other directories may be there.
        entry: what the layer says of it; None when it says nothing.
        is_new: whether it was made for this layer.
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
        "is_new",
        "made",
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
        self.is_new = True
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
            if directory.is_new or directory.filled:
                return True
            waiting += directory.children.values()
        return False


class Tree:
    """Everything below a root.

    Args:
        root: its descriptor, which stays the caller's.
    """

    def __init__(self, root: int) -> None:
        self._open: list[Directory] = []
        self._user = os.geteuid()
        self._known: dict[bytes, Directory] = {}
        self.root = Directory(None, b"")
        self.root.fd = os.open(b".", _FLAGS, dir_fd=root)
        self._directories = [self.root]
        self._describe(self.root)
        if not _listing(self.root.fd):
            # Nothing is below, so no whiteout means anything, and no name is remembered.
            self.root.made = None
        self._known[b""] = self.root

    def close(self) -> None:
        """Give all descriptors back."""
        self._close_all()
        os.close(self.root.fd)

    def fd(self, directory: Directory) -> int:
        """A directory's descriptor (O_PATH), valid until another one is asked for."""
        if directory.fd < 0:
            self._make_room()
            directory.fd = self._reopen(directory)
            self._open.append(directory)
        return directory.fd

    def fds(self, one: Directory, other: Directory) -> tuple[int, int]:
        """Two directories' descriptors at once."""
        self.fd(one)
        # Either call may have closed what was open, but not both.
        other_fd = self.fd(other)
        return self.fd(one), other_fd

    def open(self, directory: Directory) -> int:
        """A directory's descriptor to change its metadata with; the caller closes it."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(directory.name or b".", flags, dir_fd=self.fd(directory.parent))

    def find(self, path: bytes, *, create: bool) -> Directory | None:
        """The directory at a path, links followed.

        Args:
            path: relative to the root, whether or not it starts with a slash.
            create: whether to make what is missing, in place of what is no directory.

        Returns:
            None when it is not there, and not to be made.

        Raises:
            OSError: ELOOP for too many links, among others.
        """
        directory = self._known.get(path)
        if directory is None:
            directory = self._walk(path, create=create)
            if directory is not None:
                self._known[path] = directory
        return directory

    def enter(self, directory: Directory, name: bytes) -> Directory | None:
        """A directory in another one; None when there is none of that name."""
        child = directory.children.get(name)
        if child is not None:
            return child
        self._make_room()
        try:
            fd = os.open(name, _FLAGS, dir_fd=self.fd(directory))
        except (FileNotFoundError, NotADirectoryError):
            return None
        child = self._add(directory, name)
        child.fd = fd
        self._open.append(child)
        self._describe(child)
        return child

    def make(self, directory: Directory, name: bytes, entry: Entry) -> Directory:
        """Make a directory where nothing is.

        Raises:
            FileExistsError: something is there.
        """
        # What the owner may do is restricted at the end, once it is no longer needed.
        os.mkdir(name, entry.mode & 0o777 | stat.S_IRWXU, dir_fd=self.fd(directory))
        child = self._add(directory, name)
        child.entry = entry
        child.inherits = directory.inherits
        directory.note(name)
        return child

    def remove(self, directory: Directory, name: bytes) -> None:
        """Remove whatever has this name, if anything has."""
        child = directory.children.pop(name, None)
        if child is not None:
            self._forget(child)
        # Any path may have led through it, if it was a directory or a link.
        self._known = {b"": self.root}
        fd = self.fd(directory)
        try:
            os.unlink(name, dir_fd=fd)
        except FileNotFoundError:
            return
        except IsADirectoryError:
            remove_tree(name, dir_fd=fd)
        directory.changed = True

    def hide(self, directory: Directory, name: bytes) -> None:
        """A whiteout: remove what the layers below have of this name."""
        if directory.made is None:
            return
        child = directory.children.get(name)
        if name in directory.made:
            if child is not None:
                self.hide_all(child)
        elif child is not None and child.has_made():
            self._renew(child)
            self.hide_all(child)
        else:
            self.remove(directory, name)

    def hide_all(self, directory: Directory) -> None:
        """An opaque whiteout: remove what the layers below have in a directory."""
        waiting = [directory]
        while waiting:
            here = waiting.pop()
            if here.made is None:
                continue
            for name in _listing(self.fd(here)):
                child = here.children.get(name)
                if name in here.made:
                    if child is not None:
                        waiting.append(child)
                elif child is not None and child.has_made():
                    self._renew(child)
                    waiting.append(child)
                else:
                    self.remove(here, name)
            here.made = None

    def touched(self) -> Iterator[Directory]:
        """All directories that are left, each after those in it."""
        return (directory for directory in reversed(self._directories) if not directory.removed)

    def _walk(self, path: bytes, *, create: bool) -> Directory | None:
        here: Directory | None = self.root
        todo = path.split(b"/")[::-1]
        hops = 0
        while todo and here is not None:
            name = todo.pop()
            if name in {b"", b"."}:
                continue
            if name == b"..":
                here = here.parent
            elif (child := self.enter(here, name)) is not None:
                here = child
            elif (target := self._link_target(here, name)) is not None:
                hops += 1
                if hops > LINK_LIMIT:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                here = self.root if target.startswith(b"/") else here
                todo += target.split(b"/")[::-1]
            else:
                here = self._replace(here, name) if create else None
        return here

    def _replace(self, directory: Directory, name: bytes) -> Directory:
        """A directory in place of nothing, or of a file that can't have been one's parent."""
        self.remove(directory, name)
        return self.make(directory, name, IMPLICIT)

    def _link_target(self, directory: Directory, name: bytes) -> bytes | None:
        try:
            return os.readlink(name, dir_fd=self.fd(directory))
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.EINVAL:  # not a link
                return None
            raise

    def _add(self, directory: Directory, name: bytes) -> Directory:
        child = Directory(directory, name)
        directory.children[name] = child
        self._directories.append(child)
        return child

    def _describe(self, directory: Directory) -> None:
        """Remember how a directory of the layers below was found."""
        status = os.fstat(directory.fd)
        directory.is_new = False
        directory.made = set()
        directory.inherits = bool(status.st_mode & stat.S_ISGID)
        directory.times = (status.st_atime_ns, status.st_mtime_ns)
        if self._user and status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
            # Without privileges the owner's permissions count, and images have 0555 and 0000.
            self._permit(directory, status.st_mode & 0o7777)

    def _permit(self, directory: Directory, mode: int) -> None:
        try:
            if directory is self.root:
                os.chmod(f"/proc/self/fd/{directory.fd}", mode | stat.S_IRWXU)
            else:
                above = self.fd(directory.parent)
                os.chmod(directory.name, mode | stat.S_IRWXU, dir_fd=above)
        except PermissionError:
            return  # another's: what is not possible will say so
        directory.permissions = mode

    def _renew(self, directory: Directory) -> None:
        """A hidden directory that the layer has content in, and says nothing else of."""
        if directory.entry is None:
            directory.entry = IMPLICIT
        directory.parent.note(directory.name)

    def _forget(self, directory: Directory) -> None:
        waiting = [directory]
        while waiting:
            here = waiting.pop()
            here.removed = True
            if here.fd >= 0:
                os.close(here.fd)
                here.fd = -1
                self._open.remove(here)
            waiting += here.children.values()

    def _reopen(self, directory: Directory) -> int:
        names = []
        here = directory
        while here.fd < 0:
            names.append(here.name)
            here = here.parent
        fd = here.fd
        for name in reversed(names):
            try:
                inner = os.open(name, _FLAGS, dir_fd=fd)
            finally:
                if fd != here.fd:
                    os.close(fd)
            fd = inner
        return fd

    def _make_room(self) -> None:
        if len(self._open) >= _OPEN_LIMIT:
            self._close_all()

    def _close_all(self) -> None:
        for directory in self._open:
            os.close(directory.fd)
            directory.fd = -1
        self._open.clear()


def _listing(directory: int) -> list[bytes]:
    """Names in a directory, which is open as O_PATH and so can't be listed itself."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    fd = os.open(b".", flags, dir_fd=directory)
    try:
        return [os.fsencode(name) for name in os.listdir(fd)]
    finally:
        os.close(fd)
