"""Files of an image in a tar archive, found by name.

Archives are made in any order: the documents that name the blobs come before them or after.
So the archive is read over once for the names, and again for what is wanted. One that can't
be read twice (a pipe) or not from the middle (compressed) is first copied, decompressed, to
a file without a name that is gone with us.
"""

from __future__ import annotations

import io
import os
import posixpath
import stat
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.archive.members import CHUNK, inner_name, missing
from imgfetch.errors import (
    ContentError,
    LayerError,
    NotInStoreError,
    StoreError,
    UnsupportedContentError,
)
from imgfetch.fs.atomic import write_all
from imgfetch.fs.space import is_no_space, no_space
from imgfetch.tar.compression import Decompression
from imgfetch.tar.reader import TarReader

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from imgfetch.tar.entry import Entry

# More than any archive of images has; their names are kept in memory.
_ENTRY_LIMIT = 50_000
_NAME_LIMIT = 1024
_SCAN = 32 << 10
# As for layers: far above what any archive needs, far below what fills a disk.
_RATIO_LIMIT = 1000
_RATIO_FROM = 100 << 20


class _Member(NamedTuple):
    """Where a file's content is, or which other member has it."""

    offset: int
    size: int
    link: str | None


def open_tarball(path: str | int, where: str, scratch: str | None) -> TarMembers:
    """Open an archive.

    Args:
        path: of the archive, or its descriptor, which stays open: a file or a pipe,
            compressed or not.
        where: the image's name, for errors.
        scratch: a directory for the decompressed copy, where one is needed.

    Raises:
        NotInStoreError: there is no such file.
        ContentError: it is not a tar archive, or damaged.
        NoSpaceError: no room for the copy.
    """
    fd = os.dup(path) if isinstance(path, int) else _open(path, where)
    try:
        fd = _seekable(fd, where, scratch)
        return TarMembers(fd, where)
    except LayerError as error:
        os.close(fd)
        message = f"{where} is not a whole tar archive: {error.message}"
        raise ContentError(message, expected=error.expected, actual=error.actual) from error
    except OSError as error:
        os.close(fd)
        message = f"{where}: can't read it: {error.strerror}"
        raise StoreError(message) from error
    except BaseException:
        os.close(fd)
        raise


def _open(path: str, where: str) -> int:
    # A link or a pipe is fine here: whoever names the archive chose it.
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        message = f"{where}: there is no file {path}"
        raise NotInStoreError(message) from None
    except OSError as error:
        message = f"{where}: can't open {path}: {error.strerror}"
        raise StoreError(message) from error


def _seekable(fd: int, where: str, scratch: str | None) -> int:
    """A descriptor of the archive that can be read from anywhere; takes over ``fd``."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISDIR(mode):
        message = f"{where} is a directory"
        raise NotInStoreError(message, hint="for a directory: oci: or dir:")
    stream = io.FileIO(fd, closefd=False)
    content = Decompression(stream)
    if content.format == "none" and stat.S_ISREG(mode):
        return fd
    copy = _copied(content, scratch)
    os.close(fd)
    return copy


def _copied(content: Decompression, scratch: str | None) -> int:
    # Only archives that have to be copied pay for this import.
    import tempfile

    directory = scratch or tempfile.gettempdir()
    size = 0
    with tempfile.TemporaryFile(dir=directory, buffering=0) as copy:
        for chunk in content:
            size += len(chunk)
            if size > _RATIO_FROM and size > _RATIO_LIMIT * content.consumed:
                message = "the archive expands as only a decompression bomb does"
                raise UnsupportedContentError(message, expected=f"at most {_RATIO_LIMIT} to 1")
            try:
                write_all(copy.fileno(), chunk)
            except OSError as error:
                if is_no_space(error):
                    raise no_space(directory, needed=len(chunk), error=error) from error
                raise
        return os.dup(copy.fileno())


class TarMembers:
    """`imgfetch.archive.members.Members` of a tar archive.

    Args:
        fd: the archive, not compressed; closed by `close`.
        where: the image's name, for errors.

    Raises:
        LayerError: not a tar archive, or damaged.
        OSError: it can't be read.
    """

    def __init__(self, fd: int, where: str) -> None:
        self.where = where
        self._fd = fd
        self._length = os.fstat(fd).st_size
        self._members = self._scan()

    def _scan(self) -> dict[str, _Member]:
        """All files by name; of several with one name the last, as `tar` has it."""
        os.lseek(self._fd, 0, os.SEEK_SET)

        def skip(size: int) -> None:
            os.lseek(self._fd, size, os.SEEK_CUR)

        members: dict[str, _Member] = {}
        for entry in TarReader(self._pieces(), skip=skip):
            # Skipping goes beyond the end without noticing.
            if entry.offset + entry.stored > self._length:
                message = f"{self.where} is cut off"
                raise ContentError(message)
            name = os.fsdecode(entry.name)
            if entry.kind in {"file", "hardlink", "symlink"} and len(name) <= _NAME_LIMIT:
                members.update(self._member(name, entry))
            if len(members) > _ENTRY_LIMIT:
                message = f"{self.where} has too many files"
                raise UnsupportedContentError(message, expected=f"at most {_ENTRY_LIMIT}")
        return members

    def _pieces(self) -> Iterator[bytes]:
        return iter(lambda: os.read(self._fd, _SCAN), b"")

    def _member(self, name: str, entry: Entry) -> dict[str, _Member]:
        target = os.fsdecode(entry.target)
        if entry.kind == "symlink":
            target = posixpath.join(posixpath.dirname(name), target)
        try:
            plain = inner_name(self.where, name)
            link = None if entry.kind == "file" else inner_name(self.where, target)
        except ContentError:
            # Nothing that we look up is called so or leads there.
            return {}
        if entry.sparse is not None:
            return {}
        return {plain: _Member(entry.offset, entry.stored, link)}

    def _find(self, name: str) -> _Member | None:
        """A file, at most one link away: a chain of them can be a circle."""
        member = self._members.get(inner_name(self.where, name))
        if member is None or member.link is None:
            return member
        target = self._members.get(member.link)
        if target is not None and target.link is not None:
            message = f"{self.where}: {name} is a link to a link"
            raise ContentError(message)
        return target

    def size(self, name: str) -> int | None:
        """See `imgfetch.archive.members.Members`."""
        member = self._find(name)
        return None if member is None else member.size

    def stream(self, name: str, offset: int) -> Generator[bytes, None, None]:
        """See `imgfetch.archive.members.Members`."""
        member = self._find(name)
        if member is None:
            raise missing(self.where, name)
        end = member.offset + member.size
        at = member.offset + offset
        while at < end:
            # At a position of its own: blobs are read by several threads at once.
            chunk = os.pread(self._fd, min(CHUNK, end - at), at)
            if not chunk:
                message = f"{self.where} has become shorter"
                raise ContentError(message)
            at += len(chunk)
            yield chunk

    def close(self) -> None:
        """See `imgfetch.archive.members.Members`."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
