"""What is said of layers while they are unpacked."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import pytest

from imgfetch.layer.applier import Applier
from imgfetch.layer.options import ApplyOptions
from imgfetch.layer.ownership import SingleOwner
from imgfetch.oci.image import Layer
from imgfetch.snapshot.merge import unpack_merged
from imgfetch.snapshot.unpacker import Unpacker
from tests.support.contents import Dir, File, tar
from tests.support.layers import described
from tests.support.unpacking import MemoryContent, Notes

PLAIN = tar({"a": File("a", xattrs={f"security.{n}": b"x" for n in "4321"})})
NEEDY = tar({"no/parent": File("b")})
WHOLE = tar({"dir": Dir(), "dir/c": File("c")})


def stored(content: MemoryContent, stream: bytes, blob: bytes) -> Layer:
    layer = described(stream, blob)
    content.blobs[layer.descriptor.digest] = blob
    return layer


@pytest.mark.parametrize("side_by_side", [True, False])
def test_each_layer_outside_the_specification_is_warned_of_once(
    tmp_path: Path, side_by_side: bool
) -> None:
    """R056: also where a layer is read twice, because it depends on those below it."""
    content, notes = MemoryContent(), Notes()
    gz = stored(content, PLAIN, gzip.compress(PLAIN))
    xz = stored(content, NEEDY, lzma.compress(NEEDY))
    bz = stored(content, WHOLE, bz2.compress(WHOLE))
    applier = Applier(ApplyOptions(owners=SingleOwner(), read_ahead=False))
    # Unpackers open blobs and nothing else.
    unpacker = Unpacker(content, applier, notes, side_by_side)  # type: ignore[arg-type]
    (tmp_path / "root").mkdir()

    unpack_merged([gz, xz, bz], f"{tmp_path}/root", f"{tmp_path}", unpacker)

    assert sorted(path.name for path in tmp_path.rglob("?") if path.is_file()) == ["a", "c"]
    assert sorted(notes.warnings) == sorted(
        f"layer {layer.descriptor.digest} is compressed with {kind},"
        " which not all tools read: images have gzip or zstd"
        for layer, kind in ((xz, "xz"), (bz, "bzip2"))
    )


def test_attributes_left_out_are_told_once_for_all_layers(tmp_path: Path) -> None:
    """S089."""
    content, notes = MemoryContent(), Notes()
    layers = [stored(content, PLAIN, PLAIN)] * 2
    applier = Applier(ApplyOptions(owners=SingleOwner(), read_ahead=False))
    # Unpackers open blobs and nothing else.
    unpacker = Unpacker(content, applier, notes)  # type: ignore[arg-type]

    unpacker.warn_of([unpacker.apply(layer, f"{tmp_path}") for layer in layers])

    assert notes.warnings == [
        "extended attributes were left out: 'security.1', 'security.2', 'security.3', …"
    ]
