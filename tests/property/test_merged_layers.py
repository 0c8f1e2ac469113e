"""Layers merged in memory, against the model of what applying them means."""

from __future__ import annotations

import io
from collections import defaultdict

import pytest
from hypothesis import given, settings

from imgfetch.errors import LayerError
from imgfetch.layer.merged import MergedTree
from imgfetch.layer.scan import Extent, extract, merge
from imgfetch.tar.numbers import NANOSECONDS
from tests.property.test_layers import STACKS
from tests.support.forest import grow
from tests.support.forest import streams as forest_streams
from tests.support.layer_model import Model, Op, RefusedError
from tests.support.layer_ops import Facts, expected, member
from tests.support.layers import described, layer
from tests.support.stacks import meaning

KINDS = {"directory": "dir"}


def actual(tree: MergedTree, streams: list[bytes]) -> Facts:
    """The names of a tree, with files' content as a second pass over the layers gives it."""
    names: dict[int, list[str]] = defaultdict(list)
    nodes = [(path.decode() or ".", node) for path, node in tree.walk(tree.root)]
    for path, node in nodes:
        names[id(node.inode)].append(path)
    facts: Facts = {}
    for path, node in nodes:
        entry = node.inode.entry
        text = entry.target.decode()
        if entry.stored:
            extents = [Extent(entry.offset, entry.stored)]
            content = extract(io.BytesIO(streams[node.inode.layer]), extents)
            text = b"".join(map(bytes, content)).decode()
        others = sorted(names[id(node.inode)])
        facts[path] = (
            KINDS.get(entry.kind, entry.kind),
            entry.mode,
            entry.mtime_ns // NANOSECONDS,
            text,
            others,
        )
    return facts


@pytest.mark.parametrize("number", range(8))
def test_merged_forests_are_what_the_model_says(number: int) -> None:
    tree = MergedTree()
    stacks = grow(1, number)
    streams = forest_streams(stacks)
    for stream in streams:
        merge(io.BytesIO(stream), described(stream), tree)
    meant: Facts = {}
    for stack in stacks:
        meant |= meaning(stack) or {}
    found = actual(tree, streams)
    assert {path: fact for path, fact in found.items() if path != "."} == meant


@given(STACKS)
@settings(max_examples=100)
def test_merged_layers_are_what_the_model_says(stack: list[list[Op]]) -> None:
    tree = MergedTree()
    model = Model(0o755, 0)
    streams: list[bytes] = []
    for ops in stack:
        stream = layer(*map(member, ops))
        streams.append(stream)
        try:
            model.apply(ops)
        except RefusedError:
            with pytest.raises(LayerError):
                merge(io.BytesIO(stream), described(stream), tree)
            return
        merge(io.BytesIO(stream), described(stream), tree)
        assert actual(tree, streams) == expected(model)
