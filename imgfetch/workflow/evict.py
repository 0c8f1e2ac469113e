"""Which names to give up for room: those that were not used for the longest time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Candidate:
    """A name that may be given up.

    Attributes:
        name: in the store.
        last_used: seconds since the epoch.
        parts: bytes of each thing in the store that the name keeps there.
        needed: whether it stays whatever it costs.
    """

    name: str
    last_used: float
    parts: Mapping[str, int]
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What is to be kept.

    Attributes:
        size: bytes that the store may hold; None for any number.
        used_since: names not used since then go; None for whenever.
    """

    size: int | None = None
    used_since: float | None = None


def choose(candidates: Iterable[Candidate], limits: Limits, *, others: int = 0) -> list[str]:
    """The names to give up, in the order of their last use.

    What several names keep is freed with the last of them.

    Args:
        candidates: all names.
        limits: what is to be kept.
        others: bytes of what no candidate keeps and yet stays.
    """
    waiting = sorted(candidates, key=lambda one: (one.last_used, one.name))
    keepers = Counter(part for one in waiting for part in one.parts)
    sizes = {part: size for one in waiting for part, size in one.parts.items()}
    total = others + sum(sizes.values())
    chosen = []
    for one in waiting:
        unused = limits.used_since is not None and one.last_used < limits.used_since
        too_much = limits.size is not None and total > limits.size
        if one.needed or not (unused or too_much):
            continue
        chosen.append(one.name)
        keepers.subtract(one.parts.keys())
        total -= sum(size for part, size in one.parts.items() if keepers[part] == 0)
    return chosen
