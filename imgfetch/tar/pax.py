"""Records of pax extended headers.

POSIX pax(1) "pax Extended Header". Every record is read strictly, also those whose
keyword says nothing here, since two readers that disagree on where a record ends see two
different archives (CVE-2025-62518 is one of those).
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, NoReturn

from imgfetch.errors import LayerLimitError, MalformedLayerError
from imgfetch.tar.numbers import check_id, check_size, parse_decimal, parse_time

if TYPE_CHECKING:
    from imgfetch.tar.entry import Entry

RECORD_LIMIT = 1000

_SCHILY_XATTR = b"SCHILY.xattr."
_LIBARCHIVE_XATTR = b"LIBARCHIVE.xattr."
_LENGTH = re.compile(rb"([1-9][0-9]{0,8}) ")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
# What a global header can't say of all entries after it.
_LOCAL_ONLY = frozenset({b"path", b"linkpath", b"size"})
_SPARSE = b"GNU.sparse."
# What it can say. Extended attributes of everything would be a way to make work.
_GLOBAL = frozenset({b"mtime", b"uid", b"gid"})

Records = tuple[tuple[bytes, bytes], ...]
"""Keyword and value in order: old sparse maps repeat keywords."""


def parse(content: bytes) -> Records:
    """The records of one extended header.

    Raises:
        MalformedLayerError: not ``LENGTH KEYWORD=VALUE`` and a newline throughout.
        LayerLimitError: more records than any writer makes.
    """
    records: list[tuple[bytes, bytes]] = []
    at = 0
    while at < len(content):
        length = _LENGTH.match(content, at)
        end = at + int(length[1]) if length else 0
        if length is None or end > len(content) or content[end - 1 : end] != b"\n":
            _refuse(content[at:])
        keyword, equals, value = content[length.end() : end - 1].partition(b"=")
        if not equals or not keyword or b"\0" in keyword:
            _refuse(content[at:])
        records.append((keyword, value))
        if len(records) > RECORD_LIMIT:
            message = "a pax header has too many records"
            raise LayerLimitError(message, expected=f"at most {RECORD_LIMIT}")
        at = end
    return tuple(records)


def check_global(records: Records) -> Records:
    """The records of a global header that have a meaning here.

    Raises:
        MalformedLayerError: one that names or measures all entries alike.
    """
    for keyword, _ in records:
        if keyword in _LOCAL_ONLY or keyword.startswith(_SPARSE):
            message = f"a global pax header says {keyword[:40]!r}, which only an entry can have"
            raise MalformedLayerError(message)
    return tuple(record for record in records if record[0] in _GLOBAL)


def apply(records: Records, entry: Entry) -> Entry:
    """An entry with what records say in place of its header.

    An empty value takes back what an earlier record said. Keywords without a meaning
    here are skipped: ``comment``, ``atime``, ``uname``, and those of other vendors.

    Raises:
        MalformedLayerError: a value outside its grammar.
    """
    # Almost all headers have one or two records, so each is looked at once.
    values: dict[str, object] = {}
    xattrs: dict[bytes, bytes] = {}
    for keyword, value in dict(records).items():
        if keyword.startswith((_SCHILY_XATTR, _LIBARCHIVE_XATTR)):
            name, content = _xattr(keyword, value)
            xattrs[name] = content
        elif value:
            values.update(_field(keyword, value))
    if entry.kind != "file" and "size" in values:
        values["size"] = values["stored"] = 0
    if xattrs:
        values["xattrs"] = tuple(xattrs.items())
    return entry._replace(**values) if values else entry  # type: ignore[arg-type]  # `_field` has the types


def _field(keyword: bytes, value: bytes) -> dict[str, object]:
    """What a record says, by the attribute of `Entry`; nothing for keywords not used."""
    match keyword:
        case b"path":
            return {"name": value}
        case b"linkpath":
            return {"target": value}
        case b"mtime":
            return {"mtime_ns": parse_time(value)}
        case b"uid" | b"gid":
            kind = keyword.decode()
            return {kind: check_id(parse_decimal(value, kind), kind)}
        case b"size":
            size = check_size(parse_decimal(value, "size"))
            return {"size": size, "stored": size}
        case _:
            return {}


def _xattr(keyword: bytes, value: bytes) -> tuple[bytes, bytes]:
    if keyword.startswith(_SCHILY_XATTR):
        return _xattr_name(keyword, keyword.removeprefix(_SCHILY_XATTR)), value
    escaped = keyword.removeprefix(_LIBARCHIVE_XATTR)
    name = _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()), escaped)
    try:
        # libarchive leaves the padding out.
        content = base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except binascii.Error as error:
        message = f"a pax record has an extended attribute that is not base64: {keyword!r}"
        raise MalformedLayerError(message) from error
    return _xattr_name(keyword, name), content


def _xattr_name(keyword: bytes, name: bytes) -> bytes:
    if not name or b"\0" in name:
        message = f"a pax record names an extended attribute that can't be: {keyword[:300]!r}"
        raise MalformedLayerError(message)
    return name


def _refuse(content: bytes) -> NoReturn:
    message = "a pax header has a malformed record"
    raise MalformedLayerError(message, actual=repr(content[:40]))
