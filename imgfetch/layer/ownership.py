"""Which ids an entry's owner gets on this machine.

image-spec layer.md "File Attributes" has numbers only count: names (uname, gname) are of
another system's user database and are never looked up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from imgfetch.errors import LayerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgfetch.fs.idmap import IdRange


class Owner(NamedTuple):
    """A user's and a group's number."""

    uid: int
    gid: int


class Owners(Protocol):
    """Decides on owners."""

    def owner(self, uid: int, gid: int) -> Owner | None:
        """The owner that a file of this owner gets; None to leave it to who makes it."""
        ...


@dataclass(frozen=True, slots=True)
class ExactOwners:
    """The ids of the layer: as root, or as root of a user namespace that has them."""

    def owner(self, uid: int, gid: int) -> Owner | None:
        """See `Owners`."""
        return Owner(uid, gid)


@dataclass(frozen=True, slots=True)
class MappedOwners:
    """Ids of the container turned into others, as a user namespace would.

    Attributes:
        uids: ranges in which ``inside`` is the layer's id and ``outside`` this machine's.
        gids: the same for groups.
    """

    uids: tuple[IdRange, ...]
    gids: tuple[IdRange, ...]

    def owner(self, uid: int, gid: int) -> Owner | None:
        """See `Owners`.

        Raises:
            LayerError: an id outside all ranges.
        """
        return Owner(_map(uid, self.uids, "user"), _map(gid, self.gids, "group"))


@dataclass(frozen=True, slots=True)
class SingleOwner:
    """Everything belongs to whoever unpacks: there is one id only."""

    def owner(self, uid: int, gid: int) -> Owner | None:  # noqa: ARG002 - the others' arguments
        """See `Owners`."""
        return None


def _map(number: int, ranges: Sequence[IdRange], kind: str) -> int:
    for inside, outside, size in ranges:
        if inside <= number < inside + size:
            return outside + number - inside
    message = f"{kind} id {number} of the layer has no id here"
    listing = ", ".join(f"{inside} to {inside + size - 1}" for inside, _, size in ranges)
    raise LayerError(message, expected=listing or "(no ids mapped)", actual=number)
