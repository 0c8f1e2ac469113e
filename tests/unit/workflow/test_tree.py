"""Where an image's bytes are, by step, by directory and by file."""

from __future__ import annotations

import pytest

from imgfetch.errors import StoreCorruptError
from imgfetch.layer.ledger import Changes
from imgfetch.oci.image import Image
from imgfetch.workflow.tree import ImageTree, account
from tests.support import layers
from tests.support.memory_images import MemoryImages

BASE = layers.layer(
    layers.directory("usr/lib"),
    layers.file("usr/lib/a", b"a" * 100),
    layers.file("usr/lib/deep/b", b"b" * 50),
    layers.file("top", b"1234"),
)
UPPER = layers.layer(layers.file("usr/lib/a", b"A" * 120), layers.file(".wh.top"))
HISTORY = [
    {"created": "2026-01-01T00:00:00Z", "created_by": "ADD base"},
    {"created_by": "ENV A=b", "empty_layer": True},
    {"created_by": "RUN change", "comment": "by hand"},
]


def books(made: MemoryImages, image: Image) -> ImageTree:
    return account("test", image, made.store)


def test_steps_have_the_layers_that_they_made() -> None:
    made = MemoryImages()
    tree = books(made, made.image(BASE, UPPER, compression="gzip", history=HISTORY))
    assert [(step.created_by, step.layer is None) for step in tree.steps] == [
        ("ADD base", False),
        ("ENV A=b", True),
        ("RUN change", False),
    ]
    base, upper = tree.layers
    assert (base.number, base.size, base.wasted, base.files) == (0, 154, 104, 3)
    assert (upper.number, upper.size, upper.wasted, upper.files) == (1, 120, 0, 1)
    assert upper.changes == Changes(added=0, replaced=1, removed=1)
    assert (base.stream, upper.stream) == (len(BASE), len(UPPER))
    assert base.compressed < base.stream
    assert (tree.size, tree.wasted) == (274, 104)


def test_layers_that_no_step_speaks_of_are_steps_too() -> None:
    made = MemoryImages()
    tree = books(made, made.image(BASE, UPPER, history=HISTORY[:1]))
    assert [step.created_by for step in tree.steps] == ["ADD base", ""]
    assert len(tree.layers) == 2


def test_directories_have_what_is_below_them_to_a_depth() -> None:
    made = MemoryImages()
    tree = books(made, made.image(BASE, UPPER))
    assert tree.directories(2) == {b"usr/lib": (170, 100), b"": (0, 4)}
    assert tree.directories(3) == {b"usr/lib": (120, 100), b"usr/lib/deep": (50, 0), b"": (0, 4)}
    assert list(tree.directories(0)) == [b""]


def test_an_image_without_layers_has_no_bytes() -> None:
    made = MemoryImages()
    tree = books(made, made.image())
    assert (tree.layers, tree.size, tree.files, tree.directories(1)) == ((), 0, (), {})


def test_a_layer_that_rotted_in_the_store_is_told() -> None:
    """S121: what is read again is verified again."""
    made = MemoryImages()
    image = made.image(BASE)
    digest = image.manifest.layers[0].digest
    made.store._blobs[digest] = BASE.replace(b"a" * 100, b"x" * 100)  # noqa: SLF001 - a disk asks nobody
    with pytest.raises(StoreCorruptError):
        books(made, image)
