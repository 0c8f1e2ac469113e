"""Extended attributes: which of a layer's are set, and how.

An allow-list, because others mean something to the host: ``trusted.overlay.*`` and
``user.overlay.*`` would hide or redirect files of the layers below, ``user.containers.*``
and the like change owners for fuse-overlayfs and rootless tools, ``security.selinux``
and ``security.ima`` are the host's policy.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from imgfetch.errors import LayerError
from imgfetch.tar.entry import printable

if TYPE_CHECKING:
    from imgfetch.tar.entry import Entry

_CAPABILITY = b"security.capability"
_USER = b"user."
_NOT_USER = (
    b"user.overlay.",
    b"user.fuseoverlayfs.",
    b"user.containers.",
    b"user.rootlesscontainers",
)

# The file system has none, has no room for them, or this user may not.
_NOT_HERE = frozenset(
    {errno.ENOTSUP, errno.EPERM, errno.EACCES, errno.E2BIG, errno.ENOSPC, errno.ERANGE}
)


def is_allowed(name: bytes) -> bool:
    """Whether a layer may set it on files and directories."""
    return name == _CAPABILITY or (name.startswith(_USER) and not name.startswith(_NOT_USER))


class XattrWriter:
    """Sets extended attributes, and remembers what it left out.

    Args:
        strict: whether one that is allowed and can't be set is an error.

    Attributes:
        dropped: names of attributes left out.
    """

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self.dropped: set[str] = set()

    def set_all(self, fd: int, entry: Entry) -> None:
        """Set an entry's attributes on the file or directory that was made of it.

        Raises:
            LayerError: strict, and one can't be set.
        """
        for name, value in entry.xattrs:
            if is_allowed(name):
                self._set(fd, name, value, entry)
            else:
                self.drop(name)

    def drop_all(self, entry: Entry) -> None:
        """Leave out all of an entry's: Linux has none of these on links, pipes, devices."""
        for name, _ in entry.xattrs:
            self.drop(name)

    def clear_others(self, fd: int, entry: Entry) -> None:
        """Remove what a directory has from the layers below and this entry does not have."""
        kept = {name for name, _ in entry.xattrs}
        try:
            present = [os.fsencode(name) for name in os.listxattr(fd)]
        except OSError as error:
            if error.errno in _NOT_HERE:
                return
            raise
        for name in present:
            if is_allowed(name) and name not in kept:
                os.removexattr(fd, name)

    def drop(self, name: bytes) -> None:
        """Leave one out."""
        self.dropped.add(os.fsdecode(name))

    def _set(self, fd: int, name: bytes, value: bytes, entry: Entry) -> None:
        try:
            os.setxattr(fd, name, value)
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
            if self._strict:
                message = f"{printable(entry.name)}: {os.fsdecode(name)} can't be set"
                raise LayerError(message, actual=error.strerror) from error
            self.drop(name)
