"""Forests: images of hundreds of random stacks each, checked against the model in one go.

As a program it checks some forests in one way of making root filesystems, in a process that
coverage does not measure. When a stack comes out wrong, the forest is cut down to it, and it
to the entries that are needed; those are printed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from imgfetch.fs.idmap import IdMapping
from tests.support.forked import in_namespaces
from tests.support.layer_ops import Facts, facts_of, member
from tests.support.layers import layer
from tests.support.materialised import Way, materialised
from tests.support.stacks import Kind, Layers, draw, meaning
from tests.support.users import User

STACKS_IN_A_FOREST = 250

_KINDS: tuple[tuple[Kind, ...], ...] = (
    ("whole", "whole", "whole"),
    ("any", "any", "any"),
    ("any", "whole", "any", "whole"),
    ("whole", "any", "whole", "any"),
)


def grow(seed: int, number: int) -> list[Layers]:
    """The stacks of a forest; all have layers of the same kinds."""
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 - the same forests every time
    kinds = _KINDS[number % len(_KINDS)]
    return [draw(chance, f"s{tree:03}", kinds) for tree in range(STACKS_IN_A_FOREST)]


def streams(forest: Sequence[Layers]) -> list[bytes]:
    """A forest's layers as archives, lowest first."""
    return [
        layer(*(member(op) for stack in forest for op in stack[number]))
        for number in range(len(forest[0]))
    ]


def wrong(forest: Sequence[Layers], mapping: IdMapping, way: Way) -> dict[int, str]:
    """What is wrong, by the position of the stack; under -1 what stopped all of them."""
    try:
        with materialised(streams(forest), mapping, way) as root:
            facts = _by_top(facts_of(root))
    except Exception:  # noqa: BLE001 - whatever it is, it should not have happened
        return {-1: traceback.format_exc()}
    found = {}
    for number, stack in enumerate(forest):
        tops = {op.path[0] for ops in stack for op in ops}
        made = {path: fact for top in tops for path, fact in facts.get(top, {}).items()}
        meant = meaning(stack) or {}
        if made != meant:
            found[number] = "\n".join(_differences(made, meant))
    return found


def smallest(forest: Sequence[Layers], mapping: IdMapping, way: Way) -> list[Layers]:
    """As little of a wrong forest as is still wrong."""
    left = list(forest)
    while len(left) > 1:
        half = len(left) // 2
        kept = next(
            (part for part in (left[:half], left[half:]) if wrong(part, mapping, way)), None
        )
        if kept is None:
            return left
        left = kept
    return [_fewest_entries(left[0], mapping, way)]


def _fewest_entries(stack: Layers, mapping: IdMapping, way: Way) -> Layers:
    found = True
    while found:
        found = False
        for less in _with_one_less(stack):
            if meaning(less) is not None and wrong([less], mapping, way):
                stack, found = less, True
                break
    return stack


def _with_one_less(stack: Layers) -> Iterator[Layers]:
    for number, ops in enumerate(stack):
        for at in range(len(ops)):
            yield (*stack[:number], ops[:at] + ops[at + 1 :], *stack[number + 1 :])


def _by_top(facts: Facts) -> dict[str, Facts]:
    tops: dict[str, Facts] = {}
    for path, fact in facts.items():
        tops.setdefault(path.partition("/")[0], {})[path] = fact
    return tops


def _differences(made: Facts, meant: Facts) -> Iterator[str]:
    for path in sorted(made.keys() | meant.keys()):
        if made.get(path) != meant.get(path):
            yield f"  {path}: made {made.get(path)}, meant {meant.get(path)}"


def check(seeds: Sequence[int], count: int, mapping: IdMapping, way: Way) -> str | None:
    """Checks forests until one is wrong, which the text that comes back describes."""
    for seed in seeds:
        for number in range(-(-count // STACKS_IN_A_FOREST)):
            forest = grow(seed, number)
            found = wrong(forest, mapping, way)
            if found:
                suspects = [forest[at] for at in found if at >= 0] or forest
                if not wrong(suspects, mapping, way):
                    suspects = forest
                return _report(f"seed {seed}, forest {number}", suspects, mapping, way)
    return None


def _report(where: str, forest: Sequence[Layers], mapping: IdMapping, way: Way) -> str:
    lines = [f"{way}, {where}: wrong are these layers:"]
    for stack in smallest(forest, mapping, way)[:3]:
        for ops in stack:
            lines += ["  [", *(f"    {op}," for op in ops), "  ],"]
        lines += wrong([stack], mapping, way).values() or ["not by itself, but beside the others"]
    return "\n".join(lines)


def main() -> None:
    """Checks forests, as root or as a user."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=["overlay", "copy", "flat"])
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--stacks", type=int, required=True, help="for each seed")
    parser.add_argument("--user", type=json.loads, help="name, uid, gid, home, has_subids")
    arguments = parser.parse_args()
    user = None
    if arguments.user:
        name, uid, gid, home, has_subids = arguments.user
        user = User(name, uid, gid, Path(home), has_subids)
    found = in_namespaces(
        lambda mapping: check(arguments.seeds, arguments.stacks, mapping, arguments.way),
        user,
        timeout=24 * 3600,
    )
    if found:
        sys.exit(found)


if __name__ == "__main__":
    main()
