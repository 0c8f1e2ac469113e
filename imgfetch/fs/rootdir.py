"""Work below one directory, with symbolic links resolved as if it were the root.

A path out of an image means what it would mean to a process inside the image:
an absolute link starts at this directory, and ``..`` stops at it. The kernel does
it (openat2 with RESOLVE_IN_ROOT); where that call is missing, components are
walked one at a time through descriptors. A path is never checked as text first
and used afterwards.

Refused: magic links of procfs, and more than 40 links in one path (ELOOP).
"""

from __future__ import annotations

import errno
import os
import stat

from imgfetch.errors import ContentError
from imgfetch.fs.openat2 import (
    RESOLVE_IN_ROOT,
    RESOLVE_NO_MAGICLINKS,
    is_unavailable,
    openat2,
)
from imgfetch.fs.walk import DIRECTORY, enter, locate
from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY


class RootDir:
    """A directory that stands for ``/``.

    Paths are bytes, absolute or relative, which makes no difference. Errors of the
    operating system come out as they are: a path that is not there is a
    FileNotFoundError.

    Args:
        fd: a directory's descriptor. This object keeps a duplicate of its own.
    """

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = os.open(b".", DIRECTORY, dir_fd=fd)

    @classmethod
    def open(cls, path: str | bytes | os.PathLike[str]) -> Self:
        """The directory at a path of the host."""
        fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return cls(fd)
        finally:
            os.close(fd)

    def close(self) -> None:
        """Give the descriptor back; may be called again."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open_directory(self, path: bytes) -> int:
        """A directory's descriptor (O_PATH: to work below it, not to list it)."""
        return self._open(path, os.O_PATH | os.O_DIRECTORY)

    def lookup(self, path: bytes) -> os.stat_result | None:
        """What a path stands for once all links are followed; None when there is nothing."""
        try:
            fd = self._open(path, os.O_PATH)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)

    def open_file(self, path: bytes) -> int:
        """A regular file's descriptor, to read.

        Raises:
            ContentError: something else is there. A FIFO would block and a device
                might act on being opened (CVE-2024-9676), so neither is opened.
        """
        probe = self._open(path, os.O_PATH)
        try:
            expected = os.fstat(probe)
            if not stat.S_ISREG(expected.st_mode):
                message = f"{_printable(path)} is not a regular file"
                raise ContentError(message)
            fd = self._open(path, _READ)
        finally:
            os.close(probe)
        if not os.path.samestat(expected, os.fstat(fd)):
            os.close(fd)
            message = f"{_printable(path)} was replaced while it was opened"
            raise ContentError(message)
        return fd

    def read_file(self, path: bytes, limit: int) -> bytes:
        """A regular file's content.

        Args:
            path: where.
            limit: in bytes.

        Raises:
            ContentError: not a regular file, or more than ``limit`` bytes.
        """
        fd = self.open_file(path)
        with open(fd, "rb", buffering=0) as file:
            content = b""
            while len(content) <= limit:
                piece = file.read(limit + 1 - len(content))
                if not piece:
                    return content
                content += piece
        message = f"{_printable(path)} is too large"
        raise ContentError(message, expected=f"at most {limit} bytes")

    def make_directories(self, path: bytes, mode: int = 0o755) -> int:
        """A directory's descriptor (O_PATH), after making what is missing of its path.

        A link that leads nowhere gets the directory made that it leads to.

        Args:
            path: where.
            mode: of every directory made, whatever the umask.

        Raises:
            NotADirectoryError: a component is something else.
        """
        directory, name = locate(self.fd, path, mode)
        try:
            return enter(directory, name, mode)
        finally:
            os.close(directory)

    def make_file_target(self, path: bytes, mode: int = 0o644) -> int:
        """Something for a file to be mounted on: an empty file, unless there is one.

        Returns:
            A descriptor (O_PATH) of what is there.

        Raises:
            IsADirectoryError: a directory is there.
        """
        directory, name = locate(self.fd, path, 0o755)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                fd = os.open(name, flags, mode, dir_fd=directory)
            except FileExistsError:
                pass
            else:
                os.fchmod(fd, mode)
                os.close(fd)
            fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        finally:
            os.close(directory)
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            os.close(fd)
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        return fd

    def _open(self, path: bytes, flags: int) -> int:
        try:
            resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
            return openat2(self.fd, path or b".", flags, resolve)
        except OSError as error:
            if not is_unavailable(error):
                raise
        directory, name = locate(self.fd, path, None)
        try:
            return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        finally:
            os.close(directory)


def _printable(path: bytes) -> str:
    return repr(os.fsdecode(path))
