"""Owners that could not be given, written down beside the file.

``user.rootlesscontainers`` of the rootlesscontainers project, as umoci writes it and
forks of proot read it: a protocol buffers message ``Resource {uint32 uid = 1; uint32
gid = 2;}``. Symbolic links, pipes and devices can't have one. A layer's own attribute of
that name is never taken over (`imgfetch.layer.xattrs`).
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgfetch.tar.entry import Entry

NAME = "user.rootlesscontainers"

_UID, _GID = 1 << 3, 2 << 3
# NoopID of its definition, which umoci writes in place of 0.
_AS_IT_IS = 2**32 - 1
# The file system has none, or no room for it: it is a note, and the file is right without.
_NOT_HERE = frozenset({errno.ENOTSUP, errno.EPERM, errno.EACCES, errno.ENOSPC, errno.E2BIG})


def record_owner(fd: int, entry: Entry) -> None:
    """Write an entry's owner down; for root, take away what was written there."""
    try:
        if entry.uid or entry.gid:
            os.setxattr(fd, NAME, encode(entry.uid, entry.gid))
        elif NAME in os.listxattr(fd):
            os.removexattr(fd, NAME)
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise


def encode(uid: int, gid: int) -> bytes:
    """The message; an id that is root's, and so was given, is said to be left as it is."""
    pairs = ((_UID, uid or _AS_IT_IS), (_GID, gid or _AS_IT_IS))
    return b"".join(bytes((tag,)) + _varint(number) for tag, number in pairs)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte, the eighth says that more follow
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
