"""Writing a tar archive: the same entries give the same bytes.

POSIX pax(1): ustar headers, and a pax extended header before an entry that has what a
ustar header can't say: long names, large numbers, fractions of a second, extended
attributes, holes (GNU's sparse format 1.0). No names of users, no times but the entries'.
Names are written as the bytes they are.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from imgfetch.errors import MalformedLayerError
from imgfetch.tar.entry import printable
from imgfetch.tar.header import BLOCK, ZEROS
from imgfetch.tar.numbers import NANOSECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imgfetch.tar.entry import Entry

_FLAGS = {
    "file": b"0",
    "hardlink": b"1",
    "symlink": b"2",
    "char": b"3",
    "block": b"4",
    "directory": b"5",
    "fifo": b"6",
}
_PAX = b"x"
_PAX_NAME = b"././@PaxHeader"

_NAME_FIELD = 100
_PREFIX_FIELD = 155
_ID_LIMIT = 8**7 - 1
_LONG_LIMIT = 8**11 - 1


class TarWriter:
    """Writes an archive.

    Args:
        write: takes the archive's bytes, in order.
    """

    def __init__(self, write: Callable[[bytes | memoryview], object]) -> None:
        self._write = write

    def add(self, entry: Entry, content: Iterable[bytes | memoryview] = ()) -> None:
        """Write an entry.

        Args:
            entry: a directory's name ends with a slash here whether or not it does there.
            content: a file's, of exactly ``entry.stored`` bytes: of a sparse one the data.
                Its holes have to be such that `has_writable_holes`.

        Raises:
            MalformedLayerError: a device number that can't be written.
        """
        name = entry.name
        if entry.kind == "directory" and not name.endswith(b"/"):
            name += b"/"
        before = b""
        records: dict[bytes, bytes] = {}
        if entry.sparse is not None:
            before = _sparse_map(entry)
            records |= _sparse_records(name, entry)
            name = _sparse_name(name)
        records |= _xattr_records(entry)
        size = len(before) + entry.stored
        self._write(_with_pax(name, size, entry, records))
        if size:
            self._write_content(before, content, size)

    def finish(self) -> None:
        """Write the end of the archive."""
        self._write(ZEROS + ZEROS)

    def _write_content(
        self, before: bytes, content: Iterable[bytes | memoryview], size: int
    ) -> None:
        written = len(before)
        if before:
            self._write(before)
        for chunk in content:
            written += len(chunk)
            self._write(chunk)
        if written != size:
            message = f"content of {written} bytes for an entry of {size}"
            raise ValueError(message)
        if size % BLOCK:
            self._write(bytes(-size % BLOCK))


def has_writable_holes(entry: Entry) -> bool:
    """Whether a sparse file's holes can be told to all readers.

    GNU tar reads each part of the data from a new block on, Python and Go don't: parts have
    to end with a block, the last one aside.
    """
    return all(length % BLOCK == 0 for _, length in (entry.sparse or ())[:-1])


def _with_pax(name: bytes, size: int, entry: Entry, records: dict[bytes, bytes]) -> bytes:
    """An entry's header, after the extended header that it needs."""
    split = _split(name)
    if split is None:
        records[b"path"] = name
        split = (b"", name[:_NAME_FIELD])
    target = entry.target
    if len(target) > _NAME_FIELD:
        records[b"linkpath"] = target
        target = target[:_NAME_FIELD]
    seconds, fraction = divmod(entry.mtime_ns, NANOSECONDS)
    if fraction or not 0 <= seconds <= _LONG_LIMIT:
        records[b"mtime"] = _time(entry.mtime_ns)
    for keyword, number, limit in (
        (b"uid", entry.uid, _ID_LIMIT),
        (b"gid", entry.gid, _ID_LIMIT),
        (b"size", size, _LONG_LIMIT),
    ):
        if number > limit:
            records[keyword] = b"%d" % number
    block = _block(
        split,
        _FLAGS[entry.kind],
        mode=entry.mode,
        ids=(min(entry.uid, _ID_LIMIT), min(entry.gid, _ID_LIMIT)),
        size=min(size, _LONG_LIMIT),
        mtime=min(max(seconds, 0), _LONG_LIMIT),
        target=target,
        device=_device(entry),
    )
    if not records:
        return block
    extension = b"".join(_record(keyword, value) for keyword, value in sorted(records.items()))
    before = _block((b"", _PAX_NAME), _PAX, mode=0o644, size=len(extension))
    return before + extension + bytes(-len(extension) % BLOCK) + block


def _block(
    name: tuple[bytes, bytes],
    flag: bytes,
    *,
    mode: int,
    ids: tuple[int, int] = (0, 0),
    size: int = 0,
    mtime: int = 0,
    target: bytes = b"",
    device: tuple[int, int] = (0, 0),
) -> bytes:
    before = b"%s%07o\0%07o\0%07o\0%011o\0%011o\0" % (
        name[1].ljust(_NAME_FIELD, b"\0"),
        mode,
        *ids,
        size,
        mtime,
    )
    after = b"%s%sustar\x0000%64s%07o\0%07o\0%s" % (
        flag,
        target.ljust(_NAME_FIELD, b"\0"),
        bytes(64),  # names of users, which mean nothing elsewhere
        *device,
        name[0].ljust(_PREFIX_FIELD + 12, b"\0"),
    )
    checksum = sum(before) + sum(after) + 8 * ord(" ")
    return b"%s%06o\0 %s" % (before, checksum, after)


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """A name as prefix and rest; None where it doesn't fit."""
    if len(name) <= _NAME_FIELD:
        return b"", name
    at = name.rfind(b"/", 0, min(_PREFIX_FIELD + 1, len(name) - 1))
    if at < 1 or len(name) - at - 1 > _NAME_FIELD:
        return None
    return name[:at], name[at + 1 :]


def _device(entry: Entry) -> tuple[int, int]:
    if max(entry.major, entry.minor) > _ID_LIMIT or min(entry.major, entry.minor) < 0:
        message = f"{printable(entry.name)} is a device with a number that no device has"
        raise MalformedLayerError(message, actual=f"{entry.major}:{entry.minor}")
    return entry.major, entry.minor


def _time(nanoseconds: int) -> bytes:
    seconds, fraction = divmod(abs(nanoseconds), NANOSECONDS)
    sign = b"-" if nanoseconds < 0 else b""
    return sign + (b"%d.%09d" % (seconds, fraction)).rstrip(b"0").rstrip(b".")


def _xattr_records(entry: Entry) -> dict[bytes, bytes]:
    records = {}
    for name, value in entry.xattrs:
        if b"=" in name:
            # A keyword can't hold the sign that ends it.
            escaped = b"".join(
                b"%c" % byte if byte > ord(" ") and byte not in b"=%" else b"%%%02X" % byte
                for byte in name
            )
            records[b"LIBARCHIVE.xattr." + escaped] = base64.b64encode(value).rstrip(b"=")
        else:
            records[b"SCHILY.xattr." + name] = value
    return records


def _record(keyword: bytes, value: bytes) -> bytes:
    """``LENGTH KEYWORD=VALUE``, where the length counts its own digits."""
    rest = len(keyword) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, keyword, value)


def _sparse_records(name: bytes, entry: Entry) -> dict[bytes, bytes]:
    return {
        b"GNU.sparse.major": b"1",
        b"GNU.sparse.minor": b"0",
        b"GNU.sparse.name": name,
        b"GNU.sparse.realsize": b"%d" % entry.size,
    }


def _sparse_name(name: bytes) -> bytes:
    """What programs call the file that don't know holes."""
    directory, slash, last = name.rpartition(b"/")
    return directory + slash + b"GNUSparseFile.0/" + last


def _sparse_map(entry: Entry) -> bytes:
    parts = list(entry.sparse or ())
    if not parts or sum(parts[-1]) < entry.size:
        parts.append((entry.size, 0))
    text = b"%d\n" % len(parts) + b"".join(b"%d\n%d\n" % part for part in parts)
    return text + bytes(-len(text) % BLOCK)
