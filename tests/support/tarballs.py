"""Tar archives with whatever in them, for readers that must not trust it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path


def file(name: str, content: bytes = b"") -> tuple[tarfile.TarInfo, bytes]:
    """A plain file."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info, content


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    """A symbolic link."""
    return _link(name, target, tarfile.SYMTYPE)


def hardlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    """Another name of a file."""
    return _link(name, target, tarfile.LNKTYPE)


def special(name: str, kind: bytes) -> tuple[tarfile.TarInfo, bytes]:
    """A directory, a pipe, a device."""
    info = tarfile.TarInfo(name)
    info.type = kind
    return info, b""


def write_tar(path: Path, members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> Path:
    """Writes the members in order, duplicates and all."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    path.write_bytes(stream.getvalue())
    return path


def _link(name: str, target: str, kind: bytes) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""
