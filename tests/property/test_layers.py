"""Stacks of layers against a model, and damaged ones against everything.

Mutants of hostile layers come from fixed seeds; for others, as many as there is time for::

    .venv/bin/python -m tests.support.mutation --count 5000 --seeds $(seq 100 200)
"""

from __future__ import annotations

import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.errors import ImgfetchError, LayerError
from imgfetch.fs.removal import remove_tree
from imgfetch.layer.options import ApplyOptions
from tests.support import layers, mutation
from tests.support.layer_model import Model, Op, RefusedError
from tests.support.layer_ops import OPS, expected, facts_of, member
from tests.support.layers import Sandbox, apply_layer, layer
from tests.support.materialised import memory

STACKS = st.lists(st.lists(OPS, max_size=12), min_size=1, max_size=4)
# One thread for each layer would cost more than the layers.
OPTIONS = ApplyOptions(read_ahead=False)


@given(STACKS)
@settings(max_examples=100)
def test_trees_are_what_the_model_says(stack: list[list[Op]]) -> None:
    with tempfile.TemporaryDirectory(dir=memory()) as base:
        root = Path(base)
        status = root.stat()
        model = Model(stat.S_IMODE(status.st_mode), int(status.st_mtime))
        for ops in stack:
            stream = layer(*map(member, ops))
            try:
                model.apply(ops)
            except RefusedError:
                with pytest.raises(LayerError):
                    apply_layer(root, stream, options=OPTIONS)
                return
            apply_layer(root, stream, options=OPTIONS)
            assert facts_of(root) == expected(model)


HOSTILE_NAMES = st.builds(
    b"/".join,
    st.lists(
        st.sampled_from(
            [
                b"a",
                b"l",
                b"..",
                b".",
                b"",
                b".wh.a",
                b".wh..",
                b".wh..wh..opq",
                b"rootfs-evil",
                b"s",
            ]
        ),
        max_size=5,
    ),
)
HOSTILE_TARGETS = HOSTILE_NAMES | st.sampled_from([b"/", b"../rootfs-evil", b"../rootfs-evil/s"])
HOSTILE_MEMBERS = st.builds(
    lambda name, flag, target, content, mode, device: (
        layers.header(
            name, flag, size=len(content), target=target, mode=mode, device=(device, device)
        )
        + layers.padded(content)
    ),
    HOSTILE_NAMES,
    st.sampled_from([b"0", b"1", b"2", b"2", b"3", b"4", b"5", b"5", b"6", b"7", b"\0", b"Z"]),
    HOSTILE_TARGETS,
    st.binary(max_size=3),
    st.integers(0, 0o7777),
    st.integers(0, 5),
)


@given(st.lists(st.lists(HOSTILE_MEMBERS, max_size=8), max_size=3))
@settings(max_examples=200)
def test_hostile_layers_change_nothing_outside(stack: list[list[bytes]]) -> None:
    _apply_to_sandbox([layer(*members) for members in stack])


@given(st.lists(OPS, max_size=8), st.data())
@settings(max_examples=200)
def test_damaged_layers_change_nothing_outside(ops: list[Op], data: st.DataObject) -> None:
    stream = bytearray(layer(*map(member, ops)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(stream) - 1))
        stream[at] = data.draw(st.integers(0, 255))
        if data.draw(st.booleans()):
            start = at - at % layers.BLOCK
            stream[start : start + 512] = layers.with_checksum(stream[start : start + 512])
    _apply_to_sandbox([bytes(stream[: data.draw(st.integers(0, len(stream)))])])


def test_mutants_of_hostile_layers_change_nothing_outside() -> None:
    found, applied = mutation.check(seed=1, count=3000)
    assert found is None, found
    # Most are refused; those that are not get far enough to do harm.
    assert applied > 300


def _apply_to_sandbox(streams: list[bytes]) -> None:
    with tempfile.TemporaryDirectory(dir=memory()) as base:
        sandbox = Sandbox.make(Path(base))
        for stream in streams:
            try:
                sandbox.apply(stream, options=OPTIONS)
            except ImgfetchError:
                break
            finally:
                sandbox.check()
        remove_tree(sandbox.root)
        sandbox.root.mkdir()
        sandbox.check()
