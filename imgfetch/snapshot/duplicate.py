"""Copying a tree with everything in it, sharing blocks where the file system can.

The tree comes out of an image: links are copied and never followed, and everything goes
through directory descriptors. Kept are owners, modes, times, extended attributes,
hard links within the tree, devices and holes.
"""

from __future__ import annotations

import errno
import os
import stat

from imgfetch.errors import LayerLimitError
from imgfetch.fs import linux
from imgfetch.fs.space import is_no_space, no_space
from imgfetch.lean.contextlib import contextmanager
from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SOURCE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_TARGET = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Two descriptors a level; a process has 1024 of them by default.
_DEPTH_LIMIT = 400
_BLOCK = 512
_PIECE = 1 << 30
# The file system has no attributes of that kind, or not for us.
_XATTR_REFUSALS = frozenset({errno.EOPNOTSUPP, errno.EPERM, errno.EACCES, errno.EINVAL})


def copy_tree(source: str, target: str) -> None:
    """Copy what is in a directory, and the directory's own attributes.

    Args:
        source: a directory that nobody changes meanwhile.
        target: an empty directory.

    Raises:
        NoSpaceError: no space or inodes left.
        LayerLimitError: directories are nested too deeply.
    """
    try:
        _Copy(source, target).run()
    except OSError as error:
        if is_no_space(error):
            raise no_space(target, error=error) from error
        raise


class _Copy:
    def __init__(self, source: str, target: str) -> None:
        self._source = source
        self._target = target
        # First name of files with several, by device and inode; relative to the target.
        self._first_names: dict[tuple[int, int], str] = {}
        self._root = -1
        self._can_clone = True

    def run(self) -> None:
        with _open(self._source, _DIRECTORY) as source, _open(self._target, _DIRECTORY) as target:
            self._root = target
            self._copy_directory(source, target, "", 0)

    def _copy_directory(self, source: int, target: int, path: str, depth: int) -> None:
        if depth > _DEPTH_LIMIT:
            message = f"{self._source}: directories nested too deeply to be copied"
            raise LayerLimitError(message, expected=f"at most {_DEPTH_LIMIT} levels")
        with os.scandir(source) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    self._copy_below(source, target, entry.name, f"{path}{entry.name}/", depth + 1)
                elif status.st_nlink == 1 or not self._link(status, target, entry.name, path):
                    self._copy_entry(source, target, entry.name, status)
        # Last: entries made in it have changed its times.
        _copy_attributes(source, target, os.fstat(source))

    def _copy_below(self, source: int, target: int, name: str, path: str, depth: int) -> None:
        os.mkdir(name, 0o700, dir_fd=target)
        with _open(name, _DIRECTORY, source) as read, _open(name, _DIRECTORY, target) as write:
            self._copy_directory(read, write, path, depth)

    def _link(self, status: os.stat_result, target: int, name: str, path: str) -> bool:
        """Link another name of a file; False for the first one."""
        identity = (status.st_dev, status.st_ino)
        first = self._first_names.setdefault(identity, f"{path}{name}")
        if first == f"{path}{name}":
            return False
        os.link(first, name, src_dir_fd=self._root, dst_dir_fd=target, follow_symlinks=False)
        return True

    def _copy_entry(self, source: int, target: int, name: str, status: os.stat_result) -> None:
        if stat.S_ISREG(status.st_mode):
            self._copy_file(source, target, name, status)
        elif stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            _copy_attributes_by_name(source, target, name, status)
        else:
            try:
                os.mknod(name, status.st_mode, status.st_rdev, dir_fd=target)
            except PermissionError:  # a device, in a user namespace
                return
            _copy_attributes_by_name(source, target, name, status)
            os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=target)

    def _copy_file(self, source: int, target: int, name: str, status: os.stat_result) -> None:
        with _open(name, _SOURCE, source) as read, _open(name, _TARGET, target) as write:
            self._copy_content(read, write, status)
            _copy_attributes(read, write, status)

    def _copy_content(self, read: int, write: int, status: os.stat_result) -> None:
        if not status.st_size:
            return
        if self._can_clone:
            try:
                linux.clone_file(read, write)
            except OSError:
                self._can_clone = False
            else:
                return
        sparse = status.st_blocks * _BLOCK < status.st_size
        for start, end in _data(read, status.st_size) if sparse else [(0, status.st_size)]:
            _copy_range(read, write, start, end)
        os.ftruncate(write, status.st_size)


@contextmanager
def _open(path: str, flags: int, directory: int | None = None) -> Generator[int]:
    descriptor = os.open(path, flags, 0o600, dir_fd=directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _data(file: int, size: int) -> Iterator[tuple[int, int]]:
    """Where a file with holes has data."""
    end = 0
    while end < size:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole from here on
                return
            raise
        end = os.lseek(file, start, os.SEEK_HOLE)
        yield start, end


def _copy_range(read: int, write: int, start: int, end: int) -> None:
    while start < end:
        try:
            copied = os.copy_file_range(read, write, min(end - start, _PIECE), start, start)
        except OSError as error:
            if is_no_space(error):
                raise
            # Older kernels can't between file systems, some can't on theirs.
            os.lseek(write, start, os.SEEK_SET)
            copied = os.sendfile(write, read, start, min(end - start, _PIECE))
        if not copied:
            raise OSError(errno.EIO, "a file became shorter while it was copied")
        start += copied


def _copy_attributes(source: int, target: int, status: os.stat_result) -> None:
    # In this order: chown takes setuid bits and capabilities away, writing changes times.
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    for name in os.listxattr(source):
        with _refusable():
            os.setxattr(target, name, os.getxattr(source, name))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _copy_attributes_by_name(source: int, target: int, name: str, status: os.stat_result) -> None:
    """For what can't be opened: links and devices."""
    os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
    read, write = (f"/proc/self/fd/{directory}/{name}" for directory in (source, target))
    with _refusable():
        for attribute in os.listxattr(read, follow_symlinks=False):
            value = os.getxattr(read, attribute, follow_symlinks=False)
            os.setxattr(write, attribute, value, follow_symlinks=False)
    times = (status.st_atime_ns, status.st_mtime_ns)
    os.utime(name, ns=times, dir_fd=target, follow_symlinks=False)


@contextmanager
def _refusable() -> Generator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _XATTR_REFUSALS:
            raise
