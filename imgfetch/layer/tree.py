"""The tree that a layer is applied to: its directories, as far as the layer touches them.

Names are resolved component by component, each real directory once: paths that lead
through links end at the same `Directory` as the direct ones. A link means what it means
inside the root: absolute targets start there, ``..`` stops there. So nothing outside can
be reached, and what is known of a directory can't go stale, as long as everything that
replaces a name goes through `Tree.remove`.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from imgfetch.errors import LayerLimitError
from imgfetch.fs.removal import remove_tree
from imgfetch.fs.walk import LINK_LIMIT
from imgfetch.layer import hiding
from imgfetch.layer.descriptors import DIRECTORY, Descriptors
from imgfetch.layer.directory import IMPLICIT, Directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from imgfetch.tar.entry import Entry

_KNOWN_LIMIT = 100_000


class Tree:
    """Everything below a root; a context manager, which gives descriptors back.

    Args:
        root: its descriptor, which stays the caller's.
        limit: on the number of directories to know of.

    Attributes:
        root: the directory that everything else is in.
    """

    def __init__(self, root: int, limit: int) -> None:
        self._limit = limit
        self._descriptors = Descriptors()
        self._user = os.geteuid()
        self._known: dict[bytes, Directory] = {}
        self.root = Directory(None, b"")
        self.root.fd = os.open(b".", DIRECTORY, dir_fd=root)
        self._directories = [self.root]
        self._describe(self.root)
        if not self.names(self.root):
            # Nothing is below, so no whiteout means anything, and no name is remembered.
            self.root.made = None
        self._known[b""] = self.root

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._descriptors.close()
        os.close(self.root.fd)

    def fd(self, directory: Directory) -> int:
        """A directory's descriptor (O_PATH), valid until another one is asked for."""
        return directory.fd if directory.fd >= 0 else self._descriptors.of(directory)

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
                # One directory has any number of paths, with `.` and `//` and through links.
                if len(self._known) > _KNOWN_LIMIT:
                    self._known.clear()
                self._known[path] = directory
        return directory

    def enter(self, directory: Directory, name: bytes) -> Directory | None:
        """A directory in another one; None when there is none of that name."""
        child = directory.children.get(name)
        if child is not None:
            return child
        try:
            fd = os.open(name, DIRECTORY, dir_fd=self.fd(directory))
        except (FileNotFoundError, NotADirectoryError):
            return None
        child = self._add(directory, name)
        self._descriptors.keep(child, fd)
        self._describe(child)
        return child

    def make(self, directory: Directory, name: bytes, entry: Entry) -> Directory:
        """Make a directory where nothing is.

        Raises:
            FileExistsError: something is there.
        """
        # What the owner may do is restricted at the end, once it is no longer needed.
        mode = entry.mode & 0o777 | stat.S_IRWXU
        os.mkdir(name, mode, dir_fd=self.fd(directory))
        child = self._add(directory, name)
        child.made_with = mode
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

    def names(self, directory: Directory) -> list[bytes]:
        """What is in a directory."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        fd = os.open(b".", flags, dir_fd=self.fd(directory))
        try:
            return [os.fsencode(name) for name in os.listdir(fd)]
        finally:
            os.close(fd)

    def hide(self, directory: Directory, name: bytes) -> None:
        """A whiteout: remove what the layers below have of this name."""
        hiding.hide(self, directory, name)

    def hide_all(self, directory: Directory) -> None:
        """An opaque whiteout: remove what the layers below have in a directory."""
        hiding.hide_all(self, directory)

    def settle(self) -> None:
        """All entries are applied; the metadata of directories comes next."""

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
        try:
            return self.make(directory, name, IMPLICIT)
        except FileExistsError:
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
        if len(self._directories) >= self._limit:
            message = "the layer has too many directories"
            raise LayerLimitError(message, expected=f"at most {self._limit}")
        child = Directory(directory, name)
        directory.children[name] = child
        self._directories.append(child)
        return child

    def _describe(self, directory: Directory) -> None:
        """Remember how a directory of the layers below was found."""
        status = os.fstat(directory.fd)
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

    def _forget(self, directory: Directory) -> None:
        waiting = [directory]
        while waiting:
            here = waiting.pop()
            here.removed = True
            self._descriptors.forget(here)
            waiting += here.children.values()
