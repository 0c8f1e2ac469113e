"""Files of an image in a directory: the layout of ``oci:`` and the files of ``dir:``."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from imgfetch.archive.members import CHUNK, missing
from imgfetch.errors import ContentError, NotInStoreError, StoreError

if TYPE_CHECKING:
    from collections.abc import Generator

# Non-blocking: nobody may wait for the other end of a pipe that takes a file's place.
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_directory(path: str, where: str) -> DirectoryMembers:
    """Open a directory.

    Args:
        path: of the directory.
        where: the image's name, for errors.

    Raises:
        NotInStoreError: there is no such directory.
    """
    if os.path.isdir(path):
        return DirectoryMembers(os.path.abspath(path), where)
    if os.path.exists(path):
        message = f"{where}: {path} is not a directory"
        raise NotInStoreError(message, hint="for an archive: oci-archive: or docker-archive:")
    message = f"{where}: there is no directory {path}"
    raise NotInStoreError(message)


class DirectoryMembers:
    """`imgfetch.archive.members.Members` of a directory.

    Args:
        path: of the directory, absolute.
        where: the image's name, for errors.
    """

    def __init__(self, path: str, where: str) -> None:
        self.where = where
        self._path = path

    def size(self, name: str) -> int | None:
        """See `imgfetch.archive.members.Members`."""
        try:
            fd = self._open(name)
        except NotInStoreError:
            return None
        try:
            return os.fstat(fd).st_size
        finally:
            os.close(fd)

    def stream(self, name: str, offset: int) -> Generator[bytes, None, None]:
        """See `imgfetch.archive.members.Members`."""
        fd = self._open(name)
        try:
            os.lseek(fd, offset, os.SEEK_SET)
            while chunk := self._read(fd, name):
                yield chunk
        finally:
            os.close(fd)

    def _open(self, name: str) -> int:
        try:
            fd = os.open(f"{self._path}/{name}", _OPEN)
        except (FileNotFoundError, NotADirectoryError):
            raise missing(self.where, name) from None
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENXIO}:
                raise self._no_file(name) from error
            raise self._unreadable(name, error) from error
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return fd
        os.close(fd)
        raise self._no_file(name)

    def _read(self, fd: int, name: str) -> bytes:
        try:
            return os.read(fd, CHUNK)
        except OSError as error:
            raise self._unreadable(name, error) from error

    def _no_file(self, name: str) -> ContentError:
        # A link could name any file of whoever runs this.
        return ContentError(f"{self.where}: {name} is not a plain file")

    def _unreadable(self, name: str, error: OSError) -> StoreError:
        return StoreError(f"{self.where}: can't read {name}: {error.strerror}")

    def close(self) -> None:
        """Nothing to give back."""
