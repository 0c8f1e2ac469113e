"""Stacks of layers drawn at random, many thousands a second, each below a directory of its own.

So any number of stacks can be one image, whose layers hold those of all of them; what one
stack means can't depend on another. A layer of a stack is of one of two kinds: ``whole``
names all that it stands on, as builders' layers do; ``any`` has entries as they come, through
links and below what is not there.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal

from tests.support.layer_model import Model, Op, Path, RefusedError
from tests.support.layer_ops import Facts, expected

Kind = Literal["whole", "any"]
Layers = tuple[tuple[Op, ...], ...]

# What a stack must leave alone.
BESIDE = Op("file", ("beside",), text="kept")

_NAMES = "abc"
_MODES = (0o755, 0o700, 0o644, 0o600, 0o4755, 0o1777)
_KINDS: tuple[Literal["file", "dir", "symlink", "hardlink", "fifo", "whiteout", "opaque"], ...] = (
    "file", "file", "file", "dir", "dir", "symlink", "hardlink", "hardlink", "fifo",
    "whiteout", "whiteout", "opaque",
)  # fmt: skip
_LINK_PARTS = ("a", "b", "c", "/", "/", "..", ".")


def draw(chance: random.Random, top: str, kinds: Sequence[Kind]) -> Layers:
    """A stack with a layer of each of some kinds, which the model does not refuse.

    Args:
        chance: what decides.
        top: the directory that all of its names are in.
        kinds: of the layers, lowest first.
    """
    while True:
        made = [_whole(chance, top) if kind == "whole" else _any(chance, top) for kind in kinds]
        layers = tuple(map(tuple, made))
        if meaning(layers) is not None:
            return layers


def meaning(layers: Layers) -> Facts | None:
    """What the model makes of a stack; None if it refuses it, or it leaves its directory."""
    model = Model(0o755, 0)
    model.apply([BESIDE])
    tops = {op.path[0] for ops in layers for op in ops}
    try:
        for ops in layers:
            model.apply(list(ops))
    except RefusedError:
        return None
    facts = expected(model)
    root, beside = facts.pop("."), facts.pop("beside", None)
    if root[1:3] != (0o755, 0) or beside is None or {path.split("/")[0] for path in facts} - tops:
        return None
    return facts


def _path(chance: random.Random, top: str) -> Path:
    depth = chance.choice((1, 1, 1, 2, 2, 2, 3, 4))
    return (top, *chance.choices(_NAMES, k=depth))


def _op(chance: random.Random, top: str) -> Op:
    kind = chance.choice(_KINDS)
    path = _path(chance, top)
    mtime = chance.randrange(2_000_000_000)
    match kind:
        case "file":
            text = chance.choice("xyz") * chance.choice((0, 1, 5, 600))
            return Op(kind, path, chance.choice(_MODES), mtime, text)
        case "symlink":
            text = "".join(chance.choices(_LINK_PARTS, k=chance.randint(1, 5)))
            return Op(kind, path, 0o777, mtime, f"/{top}{text}" if text[0] == "/" else text)
        case "hardlink":
            return Op(kind, path, target=_path(chance, top))
        case "fifo":
            return Op(kind, path, chance.choice(_MODES), mtime)
        case "whiteout":
            return Op(kind, path if chance.random() < 0.95 else (top,))
        case "dir" | "opaque":
            path = path if chance.random() < 0.8 else (top,)
            mode = chance.choice(_MODES) if kind == "dir" else 0o644
            return Op(kind, path, mode, mtime)


def _any(chance: random.Random, top: str) -> list[Op]:
    ops = [_op(chance, top) for _ in range(chance.randrange(8))]
    if chance.random() < 0.5:
        ops.insert(0, Op("dir", (top,), 0o755, 5))
    return ops


def _whole(chance: random.Random, top: str) -> list[Op]:
    ops: list[Op] = []
    own: dict[Path, Op] = {}
    for _ in range(chance.randrange(7)):
        op = _op(chance, top)
        if op.kind == "hardlink":
            linked = _own_file(chance, own, op)
            if linked is None:
                continue
            op = linked
        for length in range(1, len(op.path) + (op.kind == "opaque")):
            above = op.path[:length]
            if above not in own or own[above].kind != "dir":
                _add(ops, own, Op("dir", above, chance.choice(_MODES), 1000))
        if op.kind != "hardlink" or op.target in own:
            _add(ops, own, op)
    return ops


def _own_file(chance: random.Random, own: dict[Path, Op], op: Op) -> Op | None:
    """The same hard link, to a file of this layer that it does not replace."""
    files = [
        path for path, made in own.items() if made.kind != "dir" and path[: len(op.path)] != op.path
    ]
    return Op("hardlink", op.path, target=chance.choice(files)) if files else None


def _add(ops: list[Op], own: dict[Path, Op], op: Op) -> None:
    ops.append(op)
    if op.kind in {"whiteout", "opaque"}:
        return
    if op.kind != "dir":
        for path in [path for path in own if path[: len(op.path)] == op.path]:
            del own[path]
    own[op.path] = op
