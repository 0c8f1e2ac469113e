"""Sparse files: the four ways in which GNU tar writes their maps.

GNU tar manual, "Storing Sparse Files": the old format (type ``S``, the map in the header
block and in blocks after it), and pax 0.0, 0.1 (the map in records) and 1.0 (the map
before the data). image-spec layer.md says that layers should not have them; some do.

A map has to be in order, without overlaps, within the file, and as long as the data that
is stored: everything else is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.errors import LayerLimitError, MalformedLayerError
from imgfetch.tar.entry import printable
from imgfetch.tar.header import BLOCK
from imgfetch.tar.numbers import check_size, parse_decimal, parse_field

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imgfetch.tar.entry import Entry
    from imgfetch.tar.pax import Records

# A map is held in memory; 1.0 allows as many parts as there are numbers.
PART_LIMIT = 65_536

_PREFIX = b"GNU.sparse."
_OLD_HEADER_PARTS = range(386, 482, 24)
_OLD_HEADER_EXTENDED = 482
_OLD_REAL_SIZE = slice(483, 495)
_OLD_BLOCK_PARTS = range(0, 504, 24)
_OLD_BLOCK_EXTENDED = 504


def old_format(block: bytes, entry: Entry, read_block: Callable[[], bytes]) -> Entry:
    """An entry of type ``S``.

    Args:
        block: its header.
        entry: as decoded from that.
        read_block: reads one of the blocks that follow.
    """
    fields = [block[at : at + 24] for at in _OLD_HEADER_PARTS]
    extended = block[_OLD_HEADER_EXTENDED]
    blocks = 0
    while extended:
        more = read_block()
        blocks += 1
        fields += [more[at : at + 24] for at in _OLD_BLOCK_PARTS]
        _check_count(len(fields), entry)
        extended = more[_OLD_BLOCK_EXTENDED]
    used = [field for field in fields if field.strip(b"\0 ")]
    numbers = [parse_field(half) for field in used for half in (field[:12], field[12:])]
    moved = entry._replace(offset=entry.offset + blocks * BLOCK)
    return _with_map(moved, numbers, parse_field(block[_OLD_REAL_SIZE]))


def pax_format(records: Records, entry: Entry, read_block: Callable[[], bytes]) -> Entry:
    """An entry whose records may describe a sparse file; others come back as they are."""
    ours = [(key[len(_PREFIX) :], value) for key, value in records if key.startswith(_PREFIX)]
    if not ours or entry.kind != "file":
        return entry
    said = dict(ours)
    if b"name" in said:
        entry = entry._replace(name=said[b"name"])
    if said.get(b"major") == b"1" and said.get(b"minor") == b"0":
        size = parse_decimal(said.get(b"realsize", b""), "size")
        return _version_1(entry, size, read_block)
    if b"size" not in said:
        message = f"{printable(entry.name)} is a sparse file of a format that is not known"
        raise MalformedLayerError(message)
    if b"map" in said:
        texts: Sequence[bytes] = said[b"map"].split(b",") if said[b"map"] else []
    else:
        texts = [value for key, value in ours if key in {b"offset", b"numbytes"}]
    numbers = [parse_decimal(text, "sparse map") for text in texts]
    return _with_map(entry, numbers, parse_decimal(said[b"size"], "size"))


def _version_1(entry: Entry, size: int, read_block: Callable[[], bytes]) -> Entry:
    """The map stands before the data: decimal numbers, one a line, padded to a block."""
    text = read_block()
    blocks = 1
    count = None
    while count is None or text.count(b"\n") < 1 + 2 * count:
        if count is None and b"\n" in text:
            count = parse_decimal(text.partition(b"\n")[0], "sparse map")
            _check_count(count, entry)
            continue
        if count is None or blocks * BLOCK > entry.stored:
            message = f"{printable(entry.name)} has a sparse map that does not end"
            raise MalformedLayerError(message)
        text += read_block()
        blocks += 1
    numbers = [parse_decimal(line, "sparse map") for line in text.split(b"\n", 1 + 2 * count)[1:-1]]
    length = blocks * BLOCK
    moved = entry._replace(offset=entry.offset + length, stored=entry.stored - length)
    return _with_map(moved, numbers, size)


def _with_map(entry: Entry, numbers: Sequence[int], size: int) -> Entry:
    parts = tuple(zip(numbers[::2], numbers[1::2], strict=False))
    _check_count(len(parts), entry)
    end = stored = 0
    for offset, length in parts:
        if offset < end or length < 0:
            _refuse_map(entry)
        end = offset + length
        stored += length
    if len(numbers) % 2 or end > check_size(size) or stored != entry.stored:
        _refuse_map(entry)
    # Writers end a map with an empty part at the file's end.
    return entry._replace(size=size, sparse=tuple(part for part in parts if part[1]))


def _refuse_map(entry: Entry) -> None:
    message = f"{printable(entry.name)} has a sparse map that contradicts itself"
    raise MalformedLayerError(message)


def _check_count(count: int, entry: Entry) -> None:
    if count > PART_LIMIT:
        message = f"{printable(entry.name)} is a sparse file in too many parts"
        raise LayerLimitError(message, expected=f"at most {PART_LIMIT}")
