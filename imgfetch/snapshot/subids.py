"""The ids that an administrator has given a user: subuid(5) and subgid(5).

Entries are by name or by number. What does not parse is left out, as newuidmap(1) does;
an id that is refused later is refused by newuidmap, which reads the files again.
"""

from __future__ import annotations

from imgfetch.fs.idmap import IdMapping, IdRange
from imgfetch.lean.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class Subids(NamedTuple):
    """Subordinate ids: their first and how many."""

    first: int
    size: int


def granted(file: Path, owners: tuple[str, ...]) -> tuple[Subids, ...]:
    """A user's ranges.

    Args:
        file: ``/etc/subuid`` or ``/etc/subgid``.
        owners: the user's name, if there is one, and number.

    Returns:
        In the order of the file; none if there is no file.
    """
    try:
        text = file.read_text("utf-8", "surrogateescape")
    except OSError:
        return ()
    ranges = []
    for line in text.splitlines():
        owner, _, numbers = line.partition(":")
        first, _, size = numbers.partition(":")
        if owner in owners and first.isdecimal() and size.isdecimal() and int(size):
            ranges.append(Subids(int(first), int(size)))
    return tuple(ranges)


def mapping(uid: int, gid: int, uids: tuple[Subids, ...], gids: tuple[Subids, ...]) -> IdMapping:
    """A user as root, followed by the subordinate ids one after the other."""
    return IdMapping(_lines(uid, uids), _lines(gid, gids))


def kept(uid: int, gid: int, uids: tuple[Subids, ...], gids: tuple[Subids, ...]) -> IdMapping:
    """A user as the same user, with the subordinate ids from 0 on around it."""
    return IdMapping(_around(uid, uids), _around(gid, gids))


def _around(own: int, ranges: tuple[Subids, ...]) -> tuple[IdRange, ...]:
    lines = []
    inside = 0
    for first, size in ranges:
        before = min(size, max(0, own - inside))
        if before:
            lines.append(IdRange(inside, first, before))
            inside += before
        if inside == own:
            lines.append(IdRange(own, own, 1))
            inside += 1
        if size > before:
            lines.append(IdRange(inside, first + before, size - before))
            inside += size - before
    return tuple(lines) if inside > own else (*lines, IdRange(own, own, 1))


def _lines(own: int, ranges: tuple[Subids, ...]) -> tuple[IdRange, ...]:
    lines = [IdRange(0, own, 1)]
    inside = 1
    for first, size in ranges:
        lines.append(IdRange(inside, first, size))
        inside += size
    return tuple(lines)
