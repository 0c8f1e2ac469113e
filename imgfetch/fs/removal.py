"""Removing trees that somebody else filled.

A tree out of an image may be as deep as its author liked, have directories without
permissions, links to anywhere, and a mount that a killed run left in it. So: no
recursion, a bounded number of descriptors, everything through directory descriptors,
links removed and never followed, and a stop at any mount (also at a bind mount of the
same file system, where the kernel can tell).
"""

from __future__ import annotations

import errno
import os
import stat

from imgfetch.errors import StoreError
from imgfetch.fs.openat2 import (
    RESOLVE_BENEATH,
    RESOLVE_NO_SYMLINKS,
    RESOLVE_NO_XDEV,
    is_unavailable,
    openat2,
)
from imgfetch.lean.contextlib import suppress
from imgfetch.lean.typing import NoReturn

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Directories kept open at once; those above are opened again through `..`.
_OPEN_LIMIT = 64
# NFS keeps a removed file that is still open under such a name until it is closed.
_KEPT = b".nfs"
_ATTEMPTS = 3


def remove_tree(path: str | bytes | os.PathLike[str], *, dir_fd: int | None = None) -> None:
    """Remove a file, or a directory with all that is in it. Nothing there is fine.

    What NFS keeps of files that are open somewhere stays, and the directories on the way to it.

    Args:
        path: what to remove; its own links in the middle are followed, at the end not.
        dir_fd: the directory that ``path`` is relative to.

    Raises:
        StoreError: a mount is in the way; everything beyond it is untouched.
        OSError: as of unlink(2) and rmdir(2).
    """
    text = os.fsencode(path).rstrip(b"/")
    above, name = os.path.split(text)
    if name in {b"", b".", b".."}:
        message = f"not a name that can be removed: {path!r}"
        raise ValueError(message)
    try:
        parent = os.open(above or b".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=dir_fd)
    except FileNotFoundError:
        return
    try:
        if not _unlink(name, parent, text):
            _Removal(parent, name, text).run()
    finally:
        os.close(parent)


def _unlink(name: bytes, directory: int, path: bytes) -> bool:
    """Remove anything but a directory; False for a directory."""
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return True
    except IsADirectoryError:
        return False
    except OSError as error:
        if error.errno == errno.EBUSY:
            _refuse_mount(path, error)
        raise
    return True


def _refuse_mount(path: bytes, cause: OSError | None = None) -> NoReturn:
    message = f"{os.fsdecode(path)} is a mount point, so it was not removed"
    raise StoreError(message, hint="unmount it first") from cause


class _Directory:
    """A directory on the way down.

    Attributes:
        name: in the directory above.
        fd: -1 while closed to save descriptors.
        identity: device and inode.
        inner: names of directories in it that are still to be removed.
        attempts: how often it was found not empty.
    """

    __slots__ = ("attempts", "fd", "identity", "inner", "name")

    def __init__(self, name: bytes, fd: int) -> None:
        status = os.fstat(fd)
        self.name = name
        self.fd = fd
        self.identity = (status.st_dev, status.st_ino)
        self.inner: list[bytes] = []
        self.attempts = 0
        if status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
            with suppress(PermissionError):  # another's; removing from it may still work
                os.fchmod(fd, stat.S_IRWXU)


class _Removal:
    """One removal: a stack of directories, the innermost last."""

    def __init__(self, parent: int, name: bytes, path: bytes) -> None:
        self._parent = parent
        self._path = path
        self._stack: list[_Directory] = []
        self._name = name
        self._keeps = False

    def run(self) -> None:
        try:
            self._descend(self._name)
            while self._stack:
                directory = self._stack[-1]
                if directory.inner:
                    self._descend(directory.inner.pop())
                else:
                    self._ascend()
        finally:
            for directory in self._stack:
                if directory.fd >= 0:
                    os.close(directory.fd)

    def _descend(self, name: bytes) -> None:
        above = self._stack[-1].fd if self._stack else self._parent
        try:
            fd = self._open(name, above)
        except FileNotFoundError:
            return
        directory = _Directory(name, fd)
        self._stack.append(directory)
        if len(self._stack) > 1 and directory.identity[0] != self._stack[0].identity[0]:
            _refuse_mount(self._where())
        if len(self._stack) > _OPEN_LIMIT:
            outer = self._stack[-_OPEN_LIMIT]
            os.close(outer.fd)
            outer.fd = -1
        self._empty(directory)

    def _ascend(self) -> None:
        directory = self._stack[-1]
        above = self._fd_above()
        try:
            os.rmdir(directory.name, dir_fd=above)
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno == errno.EBUSY:
                _refuse_mount(self._where(), error)
            directory.attempts += 1
            if error.errno != errno.ENOTEMPTY:
                raise
            if not self._keeps:
                if directory.attempts < _ATTEMPTS:
                    self._empty(directory)
                    return
                self._keeps = _is_kept(directory.fd)
            if not self._keeps:
                raise
        self._stack.pop()
        os.close(directory.fd)

    def _empty(self, directory: _Directory) -> None:
        """Remove what is not a directory, and remember what is."""
        with os.scandir(directory.fd) as entries:
            found = [(os.fsencode(e.name), e.is_dir(follow_symlinks=False)) for e in entries]
        for name, is_directory in found:
            if is_directory or not _unlink(name, directory.fd, self._where(name)):
                directory.inner.append(name)

    def _open(self, name: bytes, above: int) -> int:
        """Open a directory to empty it, if nothing is mounted there."""
        resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV
        for _ in range(2):
            try:
                return openat2(above, name, _FLAGS, resolve)
            except OSError as error:
                if error.errno == errno.EXDEV:
                    _refuse_mount(self._where(name), error)
                if error.errno == errno.EACCES:
                    _permit(name, above)
                elif is_unavailable(error):
                    break
                else:
                    raise
        fd = os.open(name, _FLAGS, dir_fd=above)
        if _mount_id(fd) != _mount_id(above):
            os.close(fd)
            _refuse_mount(self._where(name))
        return fd

    def _fd_above(self) -> int:
        if len(self._stack) == 1:
            return self._parent
        outer = self._stack[-2]
        if outer.fd < 0:
            outer.fd = os.open(b"..", _FLAGS, dir_fd=self._stack[-1].fd)
            status = os.fstat(outer.fd)
            if (status.st_dev, status.st_ino) != outer.identity:
                message = f"{os.fsdecode(self._path)} was changed while it was removed"
                raise StoreError(message)
        return outer.fd

    def _where(self, name: bytes | None = None) -> bytes:
        inner = [directory.name for directory in self._stack[1:]]
        return b"/".join([self._path, *inner, *([name] if name else [])])


def _is_kept(fd: int) -> bool:
    """Whether all that is left in a directory are files that NFS keeps."""
    names = [os.fsencode(name) for name in os.listdir(fd)]
    return bool(names) and all(name.startswith(_KEPT) for name in names)


def _mount_id(fd: int) -> bytes | None:
    """The mount that an open file is on; None without /proc, where devices have to do."""
    try:
        with open(f"/proc/self/fdinfo/{fd}", "rb") as lines:
            return next((line for line in lines if line.startswith(b"mnt_id:")), None)
    except FileNotFoundError:
        return None


def _permit(name: bytes, above: int) -> None:
    """Give the owner all permissions on a directory that can't be read."""
    fd = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
    try:
        # fchmod(2) refuses O_PATH descriptors, and by name a link could be followed.
        os.chmod(f"/proc/self/fd/{fd}", stat.S_IRWXU)
    finally:
        os.close(fd)
