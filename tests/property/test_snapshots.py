"""Stacks of snapshots, made side by side and mounted, against the model of layers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.errors import LayerError
from imgfetch.fs.idmap import IdMapping
from imgfetch.fs.removal import remove_tree
from imgfetch.layer.applier import Applier
from imgfetch.layer.options import ApplyOptions
from imgfetch.layer.ownership import ExactOwners, SingleOwner
from imgfetch.oci.image import Layer
from imgfetch.snapshot.automatic import snapshotter
from imgfetch.snapshot.merge import unpack_merged
from imgfetch.snapshot.unpacker import Unpacker
from tests.property.test_layers import actual
from tests.support.forked import in_namespaces
from tests.support.layer_model import Model, Op, RefusedError
from tests.support.layer_ops import OPS, Facts, expected, member
from tests.support.layers import layer
from tests.support.unpacking import MemoryContent, Notes
from tests.support.users import User, plain_user, subid_user

__all__ = ["plain_user", "subid_user"]

# Short paths, so that layers meet.
SHORT = OPS.filter(lambda op: len(op.path) <= 2)

# Seconds for many examples, each of which forks, on a machine that is busy.
TIMEOUT = 110


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


def comparable(facts: Facts) -> Facts:
    """What a mounted stack has to show: all but two things.

    Names of one file that different layers give are files of their own after one of them
    was copied up, as in every overlay; and the root's own times are those of its making
    where no layer says anything of it.
    """
    return {path: node[:2] if path == "." else node[:4] for path, node in facts.items()}


def built(stack: list[list[Op]]) -> tuple[MemoryContent, list[Layer], Model | None]:
    """The layers of a stack, and what they mean; None where one of them is refused."""
    model = Model(0o755, 0)
    content = MemoryContent()
    layers = []
    for ops in stack:
        layers.append(content.add_stream(layer(*map(member, ops))))
        try:
            model.apply(ops)
        except RefusedError:
            return content, layers, None
    return content, layers, model


def applier(mapping: IdMapping) -> Applier:
    owners = SingleOwner() if mapping.single else ExactOwners()
    return Applier(ApplyOptions(owners=owners, read_ahead=False))


def check(stack: list[list[Op]], mapping: IdMapping, mode: str) -> None:
    content, layers, model = built(stack)
    with tempfile.TemporaryDirectory(dir=_memory(), ignore_cleanup_errors=True) as base:
        os.mkdir(f"{base}/locks")
        os.mkdir(f"{base}/run")
        made = snapshotter(
            base,
            mapping,
            mode=mode,
            # Snapshotters open blobs and nothing else.
            content=content,  # type: ignore[arg-type]
            applier=applier(mapping),
            progress=Notes(),
        )
        try:
            if model is None:
                with pytest.raises(LayerError):
                    made.prepare(layers)
                return
            made.prepare(layers)
            root = made.mount(layers, Path(f"{base}/run"))
            assert comparable(actual(root)) == comparable(expected(model))
        finally:
            made.unmount(Path(f"{base}/run"))
            remove_tree(base)


def check_flat(stack: list[list[Op]], mapping: IdMapping, mode: str) -> None:
    content, layers, model = built(stack)
    with tempfile.TemporaryDirectory(dir=_memory(), ignore_cleanup_errors=True) as base:
        os.mkdir(f"{base}/rootfs", 0o755)
        os.utime(f"{base}/rootfs", (0, 0))
        os.mkdir(f"{base}/staging")
        # Snapshotters open blobs and nothing else.
        unpacker = Unpacker(content, applier(mapping), Notes())  # type: ignore[arg-type]
        try:
            if model is None:
                with pytest.raises(LayerError):
                    unpack_merged(layers, f"{base}/rootfs", f"{base}/staging", unpacker)
                return
            unpack_merged(layers, f"{base}/rootfs", f"{base}/staging", unpacker)
            tree = actual(Path(f"{base}/rootfs"))
            assert tree == {**expected(model), ".": tree["."]}
            assert tree["."][:2] == expected(model)["."][:2]
        finally:
            remove_tree(f"{base}/rootfs")


def _memory() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _check_many(
    mapping: IdMapping,
    mode: str,
    examples: int,
    check: Callable[[list[list[Op]], IdMapping, str], None] = check,
) -> None:
    @given(FILLED | STACKS)
    @settings(max_examples=examples, deadline=None, database=None)
    def run(stack: list[list[Op]]) -> None:
        check(stack, mapping, mode)

    run()


@pytest.mark.parametrize("mode", ["overlay", "copy"])
def test_mounted_stacks_are_what_the_model_says(mode: str) -> None:
    in_namespaces(lambda mapping: _check_many(mapping, mode, 40), timeout=TIMEOUT)


def test_they_are_for_an_ordinary_user_with_subordinate_ids(subid_user: User) -> None:
    in_namespaces(lambda mapping: _check_many(mapping, "overlay", 20), subid_user, TIMEOUT)


def test_they_are_for_an_ordinary_user_with_one_id(plain_user: User) -> None:
    in_namespaces(lambda mapping: _check_many(mapping, "overlay", 20), plain_user, TIMEOUT)


def test_flattened_stacks_are_what_the_model_says() -> None:
    """Link groups too: nothing is copied up."""
    in_namespaces(lambda mapping: _check_many(mapping, "flat", 50, check_flat), timeout=TIMEOUT)


def test_they_are_for_an_ordinary_user_too(plain_user: User) -> None:
    in_namespaces(lambda mapping: _check_many(mapping, "flat", 20, check_flat), plain_user, TIMEOUT)
