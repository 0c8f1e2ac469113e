"""What layers carry and what images differ in, against the model of what applying layers means."""

from __future__ import annotations

import io

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from imgfetch.layer.ledger import LedgerTree
from imgfetch.layer.scan import merge
from imgfetch.workflow.diff import compare_images
from tests.property.test_layers import STACKS
from tests.support.layer_model import Model, Op, RefusedError
from tests.support.layer_ops import OPS, expected, member
from tests.support.layers import described, layer
from tests.support.memory_images import MemoryImages

Stack = list[list[Op]]
# Three times as many layers as other tests have, so smaller ones.
FEW = st.lists(st.lists(OPS, max_size=5), max_size=2)


def model_of(stack: Stack) -> Model | None:
    model = Model(0o755, 0)
    try:
        for ops in stack:
            model.apply(ops)
    except RefusedError:
        return None
    return model


@given(STACKS)
@settings(max_examples=100)
def test_books_add_up(stack: Stack) -> None:
    model = model_of(stack)
    assume(model is not None)
    assert model is not None
    tree = LedgerTree()
    for ops in stack:
        stream = layer(*map(member, ops))
        merge(io.BytesIO(stream), described(stream), tree)
    carried = tree.carried()

    # All that the archives hold is accounted for, layer by layer.
    for number, ops in enumerate(stack):
        texts = [len(op.text) for op in ops if op.kind == "file"]
        assert sum(file.size for file in carried if file.layer == number) == sum(texts)
        assert sum(file.layer == number for file in carried) == len(texts)

    # What has no fate is the root filesystem, each file once.
    nodes = dict(model.everything())
    files = {id(node): node for node in nodes.values() if node.kind == "file"}
    kept = [file for file in carried if file.fate is None]
    assert sum(file.size for file in kept) == sum(len(node.text) for node in files.values())
    assert len(kept) == len(files)
    assert {file.path.decode() for file in kept} <= nodes.keys()

    # Names come and go as the layers say, and no file is gone before it came.
    names = sum(node.kind != "dir" for node in nodes.values())
    assert sum(changes.added - changes.removed for changes in tree.changes) == names
    assert all(file.fate.layer >= file.layer for file in carried if file.fate)


@given(FEW, FEW, FEW)
@settings(max_examples=50)
def test_differences_are_those_of_the_trees(below: Stack, old: Stack, new: Stack) -> None:
    stacks = [below + old, below + new]
    models = [model for model in map(model_of, stacks) if model is not None]
    assume(len(models) == 2)
    facts = [
        # Without the names of hard links, and without links' modes.
        {
            path: (kind, mode if kind != "symlink" else 0, time, text)
            for path, fact in tree.items()
            for kind, mode, time, text, _ in [fact]
        }
        for tree in map(expected, models)
    ]
    made = MemoryImages()
    images = [
        (f"{number}", made.image(*(layer(*map(member, ops)) for ops in stack)))
        for number, stack in enumerate(stacks)
    ]
    diff = compare_images(images[0], images[1], made.store, times=True)
    found = {change.path.decode() or ".": change.kind for change in diff.changes}
    before, after = facts
    assert found == {
        path: "added" if path not in before else "removed" if path not in after else "changed"
        for path in before.keys() | after.keys()
        if before.get(path) != after.get(path)
    }
    if diff.directories:
        assert (diff.totals.before, diff.totals.after) == tuple(map(_size, models))


def _size(model: Model) -> int:
    files = {id(node): node for _, node in model.everything() if node.kind == "file"}
    return sum(len(node.text) for node in files.values())
