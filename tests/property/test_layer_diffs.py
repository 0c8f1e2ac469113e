"""Layers made by themselves, put together as overlayfs does: the same tree as the model's."""

from __future__ import annotations

import io
import os
import stat
import tempfile
from pathlib import Path

from hypothesis import event, given, settings
from hypothesis import strategies as st

from imgfetch.layer.applier import Applier
from imgfetch.layer.options import ApplyOptions
from tests.support.layer_model import Model, Op, RefusedError
from tests.support.layer_ops import NAMES, OPS, Facts, expected, member
from tests.support.layers import described, layer
from tests.support.materialised import memory

OPAQUE = "user.overlay.opaque"


def with_parents(ops: list[Op]) -> list[Op]:
    """Ops with every directory on the way named first, as builders write them."""
    named: dict[tuple[str, ...], Op] = {}
    for op in ops:
        depth = len(op.path) + (op.kind == "opaque")
        for length in range(1, depth):
            path = op.path[:length]
            named.setdefault(path, Op("dir", path, 0o755, 5))
    taken = {op.path for op in ops if op.kind not in {"whiteout", "opaque", "dir"}}
    return [*(named[path] for path in sorted(named) if path not in taken), *ops]


LAYERS = st.lists(OPS, max_size=8).map(with_parents)


def make_diff(root: Path, ops: list[Op]) -> bool:
    stream = layer(*map(member, ops))
    fd = os.open(root, os.O_RDONLY)
    try:
        applier = Applier(ApplyOptions(read_ahead=False))
        made = applier.diff(io.BytesIO(stream), described(stream), fd, opaque=OPAQUE)
    finally:
        os.close(fd)
    return made is not None


def overlaid(uppers: list[Path]) -> Facts:
    """What a mount of these directories shows, the topmost first, the root aside."""
    facts: Facts = {}
    waiting = [("", uppers)]
    while waiting:
        path, directories = waiting.pop()
        names = {name for directory in directories for name in os.listdir(directory)}
        for name in names:
            inner = f"{path}/{name}" if path else name
            found = [directory / name for directory in directories]
            visible = _visible([place for place in found if os.path.lexists(place)])
            if not visible:
                continue
            facts[inner] = _fact(visible[0])
            if facts[inner][0] == "dir":
                waiting.append((inner, visible))
    return facts


def _visible(found: list[Path]) -> list[Path]:
    """Of what has one name, the topmost; and for a directory those it is merged with."""
    merged: list[Path] = []
    for place in found:
        status = place.lstat()
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            break
        if not stat.S_ISDIR(status.st_mode):
            return merged or [place]
        merged.append(place)
        if OPAQUE in os.listxattr(place):
            break
    return merged


def _fact(place: Path) -> tuple[object, ...]:
    status = place.lstat()
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink"}
    kind = kinds.get(stat.S_IFMT(status.st_mode), "fifo")
    text = place.read_text() if kind == "file" else os.readlink(place) if kind == "symlink" else ""
    return kind, stat.S_IMODE(status.st_mode), status.st_mtime_ns // 10**9, text


@given(st.lists(LAYERS, min_size=1, max_size=4))
@settings(max_examples=100)
def test_layers_by_themselves_make_the_tree_that_the_model_says(stack: list[list[Op]]) -> None:
    with tempfile.TemporaryDirectory(dir=memory()) as base:
        model = Model(0o755, 0)
        uppers: list[Path] = []
        for number, ops in enumerate(stack):
            upper = Path(base, str(number))
            upper.mkdir()
            if not make_diff(upper, ops):
                event("depends on the layers below, or is refused")
                return
            uppers.insert(0, upper)
            try:
                model.apply(ops)
            except RefusedError:
                return  # seen when it is applied to the whole tree
        event("all layers stand by themselves")
        facts = {path: fact[:4] for path, fact in expected(model).items() if path != "."}
        assert overlaid(uppers) == facts


@given(st.lists(NAMES, min_size=1, max_size=3).map(tuple))
@settings(max_examples=20)
def test_what_stands_on_other_layers_is_not_made(path: tuple[str, ...]) -> None:
    needy = [
        Op("file", (*path, "x")),
        Op("hardlink", ("new",), target=path),
        Op("whiteout", (*path, "x")),
        Op("opaque", ()),
    ]
    for op in needy:
        with tempfile.TemporaryDirectory() as base:
            assert not make_diff(Path(base), [op])
