"""What a test image's layer holds, and the tar stream of it: the same bytes every time.

For well-formed layers only. Entries keep the order of the mapping, and nothing is added:
a missing parent directory stays missing.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MTIME = 1_600_000_000
"""Seconds since the epoch; every entry's time unless it says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What all kinds of entries have in common.

    Attributes:
        mode: permission bits, setuid and sticky bit included.
        uid: the owner.
        gid: the group.
        mtime: seconds since the epoch; a fraction makes a PAX record.
        xattrs: extended attributes by name, stored as ``SCHILY.xattr`` records.
    """

    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int | float = MTIME
    xattrs: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class File(Entry):
    """A regular file."""

    content: bytes | str = b""


@dataclass(frozen=True, slots=True)
class Executable(File):
    """A regular file that anybody may run."""

    mode: int = field(default=0o755, kw_only=True)


@dataclass(frozen=True, slots=True)
class Dir(Entry):
    """A directory."""

    mode: int = field(default=0o755, kw_only=True)


@dataclass(frozen=True, slots=True)
class Symlink(Entry):
    """A symbolic link."""

    target: str
    mode: int = field(default=0o777, kw_only=True)


@dataclass(frozen=True, slots=True)
class Hardlink(Entry):
    """Another name of an entry before it."""

    target: str


@dataclass(frozen=True, slots=True)
class Device(Entry):
    """A character device."""

    major: int
    minor: int


@dataclass(frozen=True, slots=True)
class Fifo(Entry):
    """A named pipe."""


@dataclass(frozen=True, slots=True)
class Whiteout(Entry):
    """The path, named without its ``.wh.`` prefix, is gone."""


@dataclass(frozen=True, slots=True)
class Opaque(Entry):
    """The directory, named by its own path, hides what lower layers have in it."""


Contents = Mapping[str, Entry] | Sequence[tuple[str, Entry]]
"""Entries in order; pairs where a path comes twice."""


def tar(contents: Contents) -> bytes:
    """The uncompressed tar stream of a layer, in PAX format."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, entry in contents.items() if isinstance(contents, Mapping) else contents:
            info, content = _member(path, entry)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def _member(path: str, entry: Entry) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(_stored_path(path, entry))
    info.mode, info.uid, info.gid, info.mtime = entry.mode, entry.uid, entry.gid, entry.mtime
    info.pax_headers = {
        f"SCHILY.xattr.{name}": value.decode("utf-8", "surrogateescape")
        for name, value in entry.xattrs.items()
    }
    content = b""
    match entry:
        case File():
            content = entry.content.encode() if isinstance(entry.content, str) else entry.content
            info.size = len(content)
        case Dir():
            info.type = tarfile.DIRTYPE
        case Symlink():
            info.type, info.linkname = tarfile.SYMTYPE, entry.target
        case Hardlink():
            info.type, info.linkname = tarfile.LNKTYPE, entry.target
        case Device():
            info.type, info.devmajor, info.devminor = tarfile.CHRTYPE, entry.major, entry.minor
        case Fifo():
            info.type = tarfile.FIFOTYPE
        case _:  # Whiteout and Opaque are empty regular files
            pass
    return info, content


def _stored_path(path: str, entry: Entry) -> str:
    if isinstance(entry, Opaque):
        return f"{path}/.wh..wh..opq"
    if isinstance(entry, Whiteout):
        directory, slash, name = path.rpartition("/")
        return f"{directory}{slash}.wh.{name}"
    return path
