"""Numbers as tar headers write them: octal, base-256 and the decimals of pax records.

POSIX pax(1) "ustar Interchange Format" and "pax Header Block". Python's ``int`` is not
used to decide what a number is: it takes signs, underscores and other scripts' digits.
"""

from __future__ import annotations

import re

from imgfetch.errors import MalformedLayerError

NANOSECONDS = 1_000_000_000
# (uid_t)-1 tells chown(2) to leave the owner alone, so it is no owner.
_ID_LIMIT = 2**32 - 2
_SIZE_LIMIT = 2**63 - 1
# The years 1 to 9999: what others can read back. No clock was ever outside.
_MTIME_MINIMUM = -62_135_596_800
_MTIME_MAXIMUM = 253_402_300_799

_OCTAL = re.compile(rb"[ \0]*([0-7]*)[ \0]*", re.ASCII)
_DECIMAL = re.compile(rb"[0-9]{1,20}")
_TIME = re.compile(rb"(-?)([0-9]{1,20})(?:\.([0-9]{0,40}))?")


def parse_field(field: bytes) -> int:
    """A numeric field of a header: octal, or base-256 as GNU tar and star write it.

    Raises:
        MalformedLayerError: neither.
    """
    if field[0] & 0x80:
        # Two's complement, the topmost bit aside which says that it is base-256.
        value = int.from_bytes(field, "big")
        bits = 8 * len(field) - 1
        value &= (1 << bits) - 1
        return value - (1 << bits) if value >> (bits - 1) else value
    match = _OCTAL.fullmatch(field)
    if match is None:
        message = "a tar header has a number that is none"
        raise MalformedLayerError(message, expected="octal digits", actual=repr(field))
    return int(match[1] or b"0", 8)


def parse_decimal(value: bytes, what: str) -> int:
    """A pax record's whole number.

    Raises:
        MalformedLayerError: signs, spaces, or more than twenty digits.
    """
    if not _DECIMAL.fullmatch(value):
        message = f"a pax record has a {what} that is no number"
        raise MalformedLayerError(message, actual=repr(value[:40]))
    return int(value)


def parse_time(value: bytes) -> int:
    """A pax record's time, in nanoseconds; digits beyond are cut off as GNU tar does.

    Raises:
        MalformedLayerError: not a decimal number (``nan`` and ``inf`` are none).
    """
    match = _TIME.fullmatch(value)
    if match is None:
        message = "a pax record has a time that is no number"
        raise MalformedLayerError(message, actual=repr(value[:40]))
    fraction = int((match[3] or b"").ljust(9, b"0")[:9])
    total = int(match[2]) * NANOSECONDS + fraction
    return clamp_time(-total if match[1] else total)


def clamp_time(nanoseconds: int) -> int:
    """The nearest time within the years 1 to 9999."""
    return min(max(nanoseconds, _MTIME_MINIMUM * NANOSECONDS), _MTIME_MAXIMUM * NANOSECONDS)


def check_id(value: int, what: str) -> int:
    """An owner's number.

    Raises:
        MalformedLayerError: negative, or more than the kernel has.
    """
    if 0 <= value <= _ID_LIMIT:
        return value
    message = f"an entry has a {what} that no file can have"
    raise MalformedLayerError(message, expected=f"0 to {_ID_LIMIT}", actual=value)


def check_size(value: int) -> int:
    """A number of bytes.

    Raises:
        MalformedLayerError: negative, or 2^63 and more.
    """
    if 0 <= value <= _SIZE_LIMIT:
        return value
    message = "an entry has a size that no file can have"
    raise MalformedLayerError(message, expected=f"0 to {_SIZE_LIMIT}", actual=value)
