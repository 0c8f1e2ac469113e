"""Random layers for the model and for us: the operations, and the archives they make."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st

from tests.support import layers
from tests.support.layer_model import Model, Op
from tests.support.trees import snapshot_tree

NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(tuple)
MODES = st.sampled_from([0o755, 0o700, 0o644, 0o600, 0o4755, 0o1777])
TIMES = st.integers(0, 2_000_000_000)
TARGETS = st.builds(
    "".join, st.lists(st.sampled_from(["a", "b", "c", "/", "/", "..", "."]), min_size=1, max_size=6)
)
OPS = st.one_of(
    st.builds(Op, st.just("file"), PATHS, MODES, TIMES, st.text("xyz", max_size=5)),
    st.builds(Op, st.just("dir"), st.just(()) | PATHS, MODES, TIMES),
    st.builds(Op, st.just("dir"), PATHS, MODES, TIMES),
    st.builds(Op, st.just("symlink"), PATHS, st.just(0o777), TIMES, TARGETS),
    st.builds(Op, st.just("hardlink"), PATHS, target=PATHS),
    st.builds(Op, st.just("fifo"), PATHS, MODES, TIMES),
    st.builds(Op, st.just("whiteout"), PATHS),
    st.builds(Op, st.just("opaque"), st.just(()) | PATHS),
)


def member(op: Op) -> bytes:
    path = "/".join(op.path) or "."
    above = "".join(f"{name}/" for name in op.path[:-1])
    members: dict[str, Callable[[], bytes]] = {
        "file": lambda: layers.file(path, op.text.encode(), mode=op.mode, mtime=op.mtime),
        "dir": lambda: layers.directory(path, mode=op.mode, mtime=op.mtime),
        "symlink": lambda: layers.symlink(path, op.text, mtime=op.mtime),
        "hardlink": lambda: layers.hardlink(path, "/".join(op.target)),
        "fifo": lambda: layers.fifo(path, mode=op.mode, mtime=op.mtime),
        "whiteout": lambda: layers.file(f"{above}.wh.{op.path[-1]}"),
        "opaque": lambda: layers.file(f"{path}/.wh..wh..opq"),
    }
    return members[op.kind]()


Facts = dict[str, tuple[object, ...]]


def expected(model: Model) -> Facts:
    nodes = list(model.everything())
    links = defaultdict(list)
    for path, node in nodes:
        if node.kind != "dir":
            links[id(node)].append(path)
    return {
        path: (node.kind, node.mode, node.mtime, node.text, sorted(links.get(id(node), [path])))
        for path, node in nodes
    }


def facts_of(root: Path) -> Facts:
    """The same of a tree of files, which may be read by whoever asks."""
    facts: Facts = {}
    for path, node in snapshot_tree(root).items():
        text = (root / path).read_text() if node.kind == "file" else node.target or ""
        names = list(node.links) or [path]
        facts[path] = (node.kind, node.mode, node.mtime_ns // 10**9, text, names)
    return facts
