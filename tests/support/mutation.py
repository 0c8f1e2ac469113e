"""Hostile layers made of other hostile layers, applied one over the other beside something else.

What they start from is ``fixtures/hostile`` and layers with a bit of everything. Each is
changed at random: fields get values that mean something, members are left out, repeated and
taken from others, streams are cut, bytes are flipped, before and after compression. Whatever
comes of it, nothing outside the root may change, and no error may be other than ours.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import io
import lzma
import os
import random
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import zstandard

from imgfetch.errors import ImgfetchError
from imgfetch.fs.removal import remove_tree
from imgfetch.layer.applier import Applier
from imgfetch.layer.options import ApplyOptions
from tests.support import layers
from tests.support.layers import BLOCK, END, Sandbox, with_checksum
from tests.support.materialised import memory
from tests.support.users import CHECKOUT

# Layers in one root, one over the other.
LAYERS = 20

_COMPRESSORS: tuple[Callable[[bytes], bytes], ...] = (
    lambda data: gzip.compress(data, 1),
    zstandard.ZstdCompressor(1).compress,
    lambda data: lzma.compress(data, preset=0),
    bz2.compress,
)
_NAMES = (
    b"a", b"a/b", b"a/b/c", b"./a", b"/a", b"a/", b".", b"..", b"../rootfs-evil/s", b"a/../../x",
    b"l", b"l/s", b"l/d/x", b".wh.a", b".wh..wh..opq", b"a/.wh..wh..opq", b"l/.wh.s", b".wh.",
    b".wh..wh.plnk/x", b"\xff", b"a\nb", b"n" * 100, b"", b"a//b", b"/", b"../rootfs-evil",
    b"/../../../../../../../../dev/shm", b"rootfs-evil", b"d/d/d/d/d/d/d/d",
)  # fmt: skip
_NUMBERS = (
    b"00000000000", b"77777777777", b"-1", b"\x80" + bytes(10) + b"\1", b"\xff" * 12, b"",
    b"00000000001", b"00000001000", b"9" * 11, b" 644 \0",
)  # fmt: skip
_FLAGS = b"0123456755000022211\0gxLKSVMZ"
# Name, target and prefix; mode, uid, gid, size, mtime, devices; as offset and length.
_TEXTS = ((0, 100), (0, 100), (157, 100), (157, 100), (345, 155))
_FIELDS = ((100, 8), (108, 8), (116, 8), (124, 12), (124, 12), (136, 12), (329, 8), (337, 8))


def corpus() -> list[bytes]:
    """What is changed; all of it small."""
    found = [path.read_bytes() for path in sorted((CHECKOUT / "fixtures/hostile").glob("*.tar"))]
    outside = b"../rootfs-evil"
    return [
        *(data for data in found if len(data) < 1 << 16),
        layers.layer(
            layers.directory("a"),
            layers.file("a/b", b"x" * 600, mode=0o4755),
            layers.symlink("l", outside),
            layers.symlink("a/l", b"/.." + b"/.." * 8),
            layers.hardlink("h", "a/b"),
            layers.fifo("p"),
            layers.character_device("null", 1, 3),
            layers.pax({b"path": b"p" * 200, b"SCHILY.xattr.user.a": b"1"}),
            layers.file("short", b"y"),
        ),
        layers.layer(
            layers.file("l/s", b"through"),
            layers.hardlink("l/h", "l/s"),
            layers.file("a/.wh..wh..opq"),
            layers.file(".wh.l"),
            layers.pax({b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0"}),
            layers.file("sparse", b"1\n0\n5\n" + bytes(506) + b"holes"),
        ),
    ]


def mutants(seed: int, count: int) -> Iterator[bytes]:
    """Blobs of layers; the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - the same every time
    streams = corpus()
    for _ in range(count):
        stream = bytearray(_spliced(chance, streams))
        for _ in range(chance.choice((0, 1, 1, 2, 3, 6))):
            _change(chance, stream)
        blob = bytes(stream[: chance.randrange(len(stream) + 1)] if _rarely(chance) else stream)
        if chance.random() < 0.2:
            compressed = bytearray(chance.choice(_COMPRESSORS)(blob))
            for _ in range(chance.choice((0, 1, 2))):
                compressed[chance.randrange(len(compressed))] = chance.randrange(256)
            blob = bytes(compressed)
        yield blob


def _rarely(chance: random.Random) -> bool:
    return chance.random() < 0.1


def _spliced(chance: random.Random, streams: Sequence[bytes]) -> bytes:
    """A stream, or pieces of several, cut between blocks."""
    pieces = []
    for _ in range(chance.choice((1, 1, 2, 3))):
        stream = chance.choice(streams).removesuffix(END)
        blocks = len(stream) // BLOCK
        first = chance.randrange(blocks + 1) if chance.random() < 0.3 else 0
        last = chance.randrange(first, blocks + 1) if chance.random() < 0.3 else blocks
        pieces.append(stream[first * BLOCK : last * BLOCK])
    return b"".join(pieces) + END


def _change(chance: random.Random, stream: bytearray) -> None:
    start = chance.randrange(len(stream) // BLOCK) * BLOCK if len(stream) >= BLOCK else 0
    block = stream[start : start + BLOCK]
    if len(block) < BLOCK:
        return
    kind = chance.randrange(5)
    if kind == 0:
        at, length = chance.choice(_TEXTS)
        block[at : at + length] = chance.choice(_NAMES)[:length].ljust(length, b"\0")
    elif kind == 1:
        at, length = chance.choice(_FIELDS)
        block[at : at + length] = chance.choice(_NUMBERS)[:length].ljust(length, b"\0")
    elif kind == 2:
        block[156] = chance.choice(_FLAGS)
    else:
        block[chance.randrange(BLOCK)] = chance.randrange(256)
    whole = with_checksum(block) if chance.random() < 0.9 else bytes(block)
    stream[start : start + BLOCK] = whole


def check(seed: int, count: int) -> tuple[str | None, int]:
    """Applies mutants until one does harm.

    Returns:
        What is wrong, and how many were applied without an error.
    """
    applied = 0
    blobs = list(mutants(seed, count))
    for start in range(0, count, LAYERS):
        with tempfile.TemporaryDirectory(dir=memory(), ignore_cleanup_errors=True) as base:
            sandbox = Sandbox.make(Path(base))
            for number, blob in enumerate(blobs[start : start + LAYERS], start):
                try:
                    applied += _is_applied(sandbox, blob, alone=number == start)
                except Exception:  # noqa: BLE001 - an assertion of the sandbox, or a bug
                    return f"seed {seed}, mutant {number}:\n{traceback.format_exc()}", applied
            remove_tree(sandbox.root)
            sandbox.root.mkdir()
            sandbox.check()
    return None, applied


def _is_applied(sandbox: Sandbox, blob: bytes, *, alone: bool) -> bool:
    """Apply a layer; the first to an empty directory, as one that knows no others."""
    options = ApplyOptions(read_ahead=False)
    try:
        # Of compressed ones the diffID is wrong, which is found out at the end.
        if not alone:
            sandbox.apply(blob, options=options)
            return True
        root = os.open(sandbox.root, os.O_RDONLY)
        try:
            blob_file, layer = io.BytesIO(blob), layers.described(blob)
            made = Applier(options).diff(blob_file, layer, root, opaque="user.overlay.opaque")
        finally:
            os.close(root)
            sandbox.check()
    except ImgfetchError:
        return False
    return made is not None


def main() -> None:
    """Applies mutants of some seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--count", type=int, required=True, help="for each seed")
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        found, applied = check(seed, arguments.count)
        if found:
            sys.exit(found)
        print(f"seed {seed}: {applied} of {arguments.count} were layers")  # noqa: T201 - a program


if __name__ == "__main__":
    main()
