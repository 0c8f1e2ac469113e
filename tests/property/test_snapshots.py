"""Stacks of snapshots, made side by side and mounted, against the model of layers.

Thousands of stacks in each of the ways in which root filesystems are made, from fixed seeds.
For others, as many as there is time for::

    FOREST_SEEDS=1000-1999 FOREST_STACKS=5000 scripts/test tests/property/test_snapshots.py

A few more, of whole root filesystems, come from hypothesis, those that are refused included.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.errors import LayerError
from imgfetch.fs.idmap import IdMapping
from tests.support.forest import grow, smallest
from tests.support.forked import in_namespaces
from tests.support.layer_model import Model, Op, RefusedError
from tests.support.layer_ops import OPS, Facts, expected, facts_of, member
from tests.support.layers import layer
from tests.support.materialised import Way, materialised
from tests.support.users import CHECKOUT, User, plain_user, subid_user

__all__ = ["plain_user", "subid_user"]

# Short paths, so that layers meet.
SHORT = OPS.filter(lambda op: len(op.path) <= 2)


def seeds() -> list[str]:
    first, _, last = os.environ.get("FOREST_SEEDS", "1").partition("-")
    return [str(seed) for seed in range(int(first), int(last or first) + 1)]


def check_forests(way: Way, user: User | None = None) -> None:
    """In a process that is not measured: that would take most of the time."""
    arguments = ["--seeds", *seeds(), "--stacks", os.environ.get("FOREST_STACKS", "2000")]
    if user is not None:
        described = f'["{user.name}", {user.uid}, {user.gid}, "{user.home}", true]'
        arguments += ["--user", described]
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.forest", way, *arguments],
        check=False,
        cwd=CHECKOUT,
        env={key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("way", ["overlay", "copy", "flat"])
def test_forests_are_what_the_model_says(way: Way) -> None:
    check_forests(way)


def test_forests_are_for_an_ordinary_user_with_subordinate_ids(subid_user: User) -> None:
    check_forests("overlay", subid_user)


@pytest.mark.parametrize("way", ["overlay", "flat"])
def test_forests_are_for_an_ordinary_user_with_one_id(plain_user: User, way: Way) -> None:
    check_forests(way, plain_user)


def test_a_wrong_stack_is_cut_down_to_the_entries_that_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("imgfetch.layer.hiding.hide_all", lambda tree, directory: None)
    forest = grow(1, 1)[:40]
    (stack,) = in_namespaces(lambda mapping: smallest(forest, mapping, "copy"))
    kinds = [op.kind for ops in stack for op in ops]
    assert len(kinds) <= 4
    assert {"opaque", "whiteout"} & set(kinds)


def naming_parents(ops: list[Op]) -> list[Op]:
    """The same layer with an entry for every directory that its paths lead through."""
    named: list[Op] = []
    for op in ops:
        depth = len(op.path) + (op.kind == "opaque")
        missing = [op.path[:length] for length in range(1, depth)]
        seen = {other.path for other in named if other.kind not in {"whiteout", "opaque"}}
        named += [Op("dir", path, 0o755, 1000) for path in missing if path not in seen]
        named.append(op)
    return named


# As builders write them: most can be unpacked without those below.
WHOLE = st.lists(SHORT.filter(lambda op: op.kind != "hardlink"), max_size=6).map(naming_parents)
STACKS = st.lists(WHOLE | WHOLE | st.lists(SHORT, max_size=6), min_size=2, max_size=4)
# Something under every name that is not a directory's, for the layers above to hide.
FULL = naming_parents(
    [Op("file", (above, name), text="full") for above in "ab" for name in "abc"]
    + [Op("file", ("c",), text="full")]
)
FILLED = st.tuples(st.just(FULL), WHOLE, WHOLE).map(list)


def meaning(stack: list[list[Op]]) -> Facts | None:
    """What the layers of a stack mean; None where one of them is refused."""
    model = Model(0o755, 0)
    try:
        for ops in stack:
            model.apply(ops)
    except RefusedError:
        return None
    return expected(model)


def check(stack: list[list[Op]], mapping: IdMapping, way: Way) -> None:
    meant = meaning(stack)
    streams = [layer(*map(member, ops)) for ops in stack]
    if meant is None:
        with pytest.raises(LayerError), materialised(streams, mapping, way):
            pass
        return
    with materialised(streams, mapping, way) as root:
        tree = facts_of(root)
        # The root's times are those of its making where no layer says anything of it.
        assert tree == {**meant, ".": tree["."]}
        assert tree["."][:2] == meant["."][:2]


@pytest.mark.parametrize(("way", "examples"), [("overlay", 8), ("flat", 8), ("copy", 3)])
def test_whole_roots_are_what_the_model_says(way: Way, examples: int) -> None:
    @given(FILLED | STACKS)
    @settings(max_examples=examples, deadline=None, database=None)
    def run(stack: list[list[Op]]) -> None:
        in_namespaces(lambda mapping: check(stack, mapping, way))

    run()
