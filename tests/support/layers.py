"""Layers byte by byte, for entries that no tar program would write, and a place to apply them.

Each function gives one member: its header and content, padded. A layer is their sum with
`END`. `contents.tar` is the better way to well-formed layers.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack

from imgfetch.interfaces import LayerStats
from imgfetch.layer.applier import Applier
from imgfetch.layer.options import ApplyOptions
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import DiffID, Digest
from imgfetch.oci.image import Layer
from tests.support.contents import MTIME
from tests.support.trees import Tree, snapshot_tree

BLOCK = 512
END = bytes(2 * BLOCK)
USTAR = b"ustar\x0000"
GNU = b"ustar  \0"
V7 = bytes(8)

_NAME_FIELD = 100


def header(
    name: bytes,
    flag: bytes = b"0",
    *,
    size: int | bytes = 0,
    mode: int | bytes = 0o644,
    uid: int | bytes = 0,
    gid: int | bytes = 0,
    mtime: int | bytes = MTIME,
    target: bytes = b"",
    device: tuple[int, int] = (0, 0),
    magic: bytes = USTAR,
    prefix: bytes = b"",
    checksum: int | None = None,
) -> bytes:
    """One header block. Numbers given as bytes are stored as they are."""
    block = bytearray(BLOCK)
    fields = (
        (0, name, _NAME_FIELD),
        (100, mode, 8),
        (108, uid, 8),
        (116, gid, 8),
        (124, size, 12),
        (136, mtime, 12),
        (156, flag, 1),
        (157, target, 100),
        (257, magic, 8),
        (329, device[0], 8),
        (337, device[1], 8),
        (345, prefix, 155),
    )
    for at, value, width in fields:
        stored = value if isinstance(value, bytes) else b"%0*o\0" % (width - 1, value)
        assert len(stored) <= width, (at, stored)
        block[at : at + len(stored)] = stored
    return with_checksum(block, checksum)


def with_checksum(block: bytes | bytearray, checksum: int | None = None) -> bytes:
    """A header block with its checksum put right (or as given)."""
    filled = bytearray(block)
    filled[148:156] = b" " * 8
    filled[148:156] = b"%06o\0 " % (sum(filled) if checksum is None else checksum)
    return bytes(filled)


def padded(content: bytes) -> bytes:
    """Content filled up to whole blocks."""
    return content + bytes(-len(content) % BLOCK)


def extension(flag: bytes, content: bytes) -> bytes:
    """An extension header: ``x``, ``g``, ``L`` or ``K``."""
    return header(b"././@LongLink", flag, size=len(content)) + padded(content)


def record(keyword: bytes, value: bytes) -> bytes:
    """One pax record; its length counts its own digits."""
    rest = len(keyword) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, keyword, value)


def pax(records: Mapping[bytes, bytes], *, flag: bytes = b"x") -> bytes:
    """A pax extended header."""
    return extension(flag, b"".join(record(key, value) for key, value in records.items()))


def _named(name: bytes, target: bytes, rest: bytes) -> bytes:
    """A member, with GNU's long names before it where they are needed."""
    before = b""
    if len(name) > _NAME_FIELD:
        before += extension(b"L", name + b"\0")
    if len(target) > _NAME_FIELD:
        before += extension(b"K", target + b"\0")
    return before + rest


class Fields(TypedDict, total=False):
    """What a member's header may say beside its name and kind."""

    mode: int
    uid: int
    gid: int
    mtime: int | bytes
    size: int


def _member(
    path: str | bytes,
    flag: bytes,
    fields: Fields,
    *,
    target: str | bytes = b"",
    content: bytes = b"",
    device: tuple[int, int] = (0, 0),
) -> bytes:
    name, link = os.fsencode(path), os.fsencode(target)
    with_size: Fields = {"size": len(content), **fields}
    short_name, short_link = name[:_NAME_FIELD], link[:_NAME_FIELD]
    block = header(short_name, flag, target=short_link, device=device, **with_size)
    return _named(name, link, block + padded(content))


def file(path: str | bytes, content: bytes = b"", **fields: Unpack[Fields]) -> bytes:
    """A regular file."""
    return _member(path, b"0", fields, content=content)


def directory(path: str | bytes, **fields: Unpack[Fields]) -> bytes:
    """A directory."""
    return _member(path, b"5", {"mode": 0o755, **fields})


def symlink(path: str | bytes, target: str | bytes, **fields: Unpack[Fields]) -> bytes:
    """A symbolic link."""
    return _member(path, b"2", {"mode": 0o777, **fields}, target=target)


def hardlink(path: str | bytes, target: str | bytes, **fields: Unpack[Fields]) -> bytes:
    """Another name for a file."""
    return _member(path, b"1", fields, target=target)


def character_device(path: str | bytes, major: int, minor: int, **fields: Unpack[Fields]) -> bytes:
    """A character device."""
    return _member(path, b"3", fields, device=(major, minor))


def block_device(path: str | bytes, major: int, minor: int, **fields: Unpack[Fields]) -> bytes:
    """A block device."""
    return _member(path, b"4", fields, device=(major, minor))


def fifo(path: str | bytes, **fields: Unpack[Fields]) -> bytes:
    """A pipe."""
    return _member(path, b"6", fields)


def layer(*members: bytes) -> bytes:
    """A whole archive."""
    return b"".join(members) + END


def described(stream: bytes, blob: bytes | None = None, *, diff_id: str | None = None) -> Layer:
    """A layer's descriptor and diffID.

    Args:
        stream: the uncompressed archive.
        blob: the same as stored; None if that is not compressed.
        diff_id: a wrong one, as hexadecimal digits.
    """
    stored = stream if blob is None else blob
    descriptor = Descriptor(
        media_type="application/vnd.oci.image.layer.v1.tar",
        digest=Digest.of(stored),
        size=len(stored),
    )
    encoded = diff_id or hashlib.sha256(stream).hexdigest()
    return Layer(descriptor, DiffID(Digest("sha256", encoded)))


def apply_layer(
    root: Path,
    stream: bytes,
    *,
    blob: bytes | None = None,
    options: ApplyOptions | None = None,
    diff_id: str | None = None,
) -> LayerStats:
    """Applies a layer to a directory."""
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        stored = io.BytesIO(stream if blob is None else blob)
        described_layer = described(stream, blob, diff_id=diff_id)
        return Applier(options).apply(stored, described_layer, fd)
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A root directory with things beside it that nothing may touch.

    Attributes:
        root: where layers are applied.
        outside: next to it; it has a file ``s``, a directory ``d`` and a link ``l``.
    """

    root: Path
    outside: Path
    _before: Tree

    @classmethod
    def make(cls, base: Path) -> Sandbox:
        """A sandbox in an empty directory."""
        root = base / "rootfs"
        outside = base / "rootfs-evil"
        for path in (root, outside, outside / "d"):
            path.mkdir(mode=0o755)
        (outside / "s").write_bytes(b"outside")
        (outside / "s").chmod(0o640)
        (outside / "l").symlink_to("s")
        return cls(root, outside, snapshot_tree(outside))

    def apply(
        self, *streams: bytes, options: ApplyOptions | None = None, blob: bytes | None = None
    ) -> list[LayerStats]:
        """Applies layers one after the other, and sees that nothing outside was touched."""
        try:
            return [
                apply_layer(self.root, stream, options=options, blob=blob) for stream in streams
            ]
        finally:
            self.check()

    def check(self) -> None:
        """Fails if anything outside has changed."""
        assert snapshot_tree(self.outside) == self._before
        beside = sorted(path.name for path in self.root.parent.iterdir())
        assert beside == ["rootfs", "rootfs-evil"]
        assert self.root.is_dir()
        assert not self.root.is_symlink()

    def tree(self) -> dict[str, str]:
        """What is below the root, in short: kinds, targets, contents."""
        return {path: brief(self.root / path) for path in snapshot_tree(self.root) if path != "."}


def brief(path: Path) -> str:
    """One path in short: ``dir``, ``-> target``, ``'content'``, or the kind."""
    if path.is_symlink():
        return f"-> {os.readlink(path)}"
    if path.is_dir():
        return "dir"
    return path.read_text("latin-1") if path.is_file() else "special"
