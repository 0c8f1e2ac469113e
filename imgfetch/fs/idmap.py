"""Ids of a user namespace: what ``/proc/self/uid_map`` and ``gid_map`` say.

user_namespaces(7) "User and group ID mappings". Nothing here makes a namespace; that
is `imgfetch.snapshot.userns`.
"""

from __future__ import annotations

import os

from imgfetch.lean import hashlib
from imgfetch.lean.dataclasses import dataclass
from imgfetch.lean.typing import Final, NamedTuple

# Every id the kernel knows: (uid_t)-1 is no id.
_ALL: Final = 2**32 - 1


class IdRange(NamedTuple):
    """One line of a map: ``size`` ids from ``inside`` on stand for those from ``outside`` on."""

    inside: int
    outside: int
    size: int


@dataclass(frozen=True, slots=True)
class IdMapping:
    """The user and group ids that exist in a user namespace.

    Attributes:
        uids: lines of uid_map.
        gids: lines of gid_map.
    """

    uids: tuple[IdRange, ...]
    gids: tuple[IdRange, ...]

    @classmethod
    def current(cls, proc: str | os.PathLike[str] = "/proc") -> IdMapping:
        """That of the calling process."""
        own = f"{os.fspath(proc)}/self"
        return cls(_read(f"{own}/uid_map"), _read(f"{own}/gid_map"))

    @property
    def initial(self) -> bool:
        """Whether this is the machine's first user namespace, as far as can be seen."""
        return self.uids == self.gids == (IdRange(0, 0, _ALL),)

    @property
    def single(self) -> bool:
        """Whether there is one user id only."""
        return sum(line.size for line in self.uids) == 1

    @property
    def name(self) -> str:
        """A directory's name for files owned by these ids.

        Trees unpacked under one mapping mean something else under another one.
        """
        if self.initial:
            return "root"
        text = repr((tuple(map(tuple, self.uids)), tuple(map(tuple, self.gids))))
        return hashlib.new("sha256", text.encode()).hexdigest()[:16]


def _read(path: str) -> tuple[IdRange, ...]:
    with open(path, "rb", buffering=0) as file:
        lines = file.readall().splitlines()
    return tuple(IdRange(*map(int, line.split())) for line in lines)
