"""What one member of an archive says about itself, and how it is named to people."""

from __future__ import annotations

import os
from typing import Literal, NamedTuple

Kind = Literal["file", "directory", "symlink", "hardlink", "char", "block", "fifo"]


class Entry(NamedTuple):
    """A member, with all headers that precede it put together.

    A tuple, since layers have tens of thousands of them and a frozen dataclass takes
    several times as long to make.

    Attributes:
        name: as in the archive: any bytes but NUL, not normalised.
        kind: what it is.
        size: of a file's content, holes included; 0 for all else.
        mode: permission bits and setuid, setgid, sticky.
        uid: the owner's number.
        gid: the group's number.
        mtime_ns: nanoseconds since the epoch, within the years 1 to 9999.
        target: of a symbolic link, or the name that a hard link repeats.
        major: of a device.
        minor: of a device.
        offset: of the stored content, in bytes from the start of the archive.
        stored: bytes of content in the archive; other than ``size`` for sparse files.
        xattrs: extended attributes, the last value where a name comes twice.
        sparse: (offset, length) of the data in a sparse file; None for other files.
    """

    name: bytes
    kind: Kind
    size: int
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    target: bytes
    major: int
    minor: int
    offset: int
    stored: int
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    sparse: tuple[tuple[int, int], ...] | None = None


def printable(name: bytes) -> str:
    """A name as an error message has it: quoted, escaped, and not endless."""
    text = repr(os.fsdecode(name))
    return text if len(text) <= 300 else f"{text[:200]}...{text[-80:]}"  # noqa: PLR2004 - a line or three
