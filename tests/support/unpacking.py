"""What snapshotters take: layers in a content store, and an applier.

The applier is tarfile's, which has no defences: for layers made by tests.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from imgfetch.interfaces import LayerDiff, LayerStats, Stage
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import DiffID, Digest
from imgfetch.oci.image import Layer
from imgfetch.oci.verify import verify
from tests.support.contents import Contents, tar


@dataclass(frozen=True, slots=True)
class MemoryContent:
    """A content store that is a dictionary; only what snapshotters use of it."""

    blobs: dict[Digest, bytes] = field(default_factory=dict)

    def add(self, contents: Contents) -> Layer:
        """Stores a layer, not compressed."""
        return self.add_stream(tar(contents))

    def add_stream(self, stream: bytes) -> Layer:
        """Stores a layer that is a tar stream already."""
        digest = Digest.of(stream)
        self.blobs[digest] = stream
        descriptor = Descriptor("application/vnd.oci.image.layer.v1.tar", digest, len(stream))
        return Layer(descriptor, DiffID(digest))

    def open(self, descriptor: Descriptor) -> BinaryIO:
        return io.BytesIO(self.blobs[descriptor.digest])


@dataclass(frozen=True, slots=True)
class TarApplier:
    """Applies well-formed layers, and writes down which.

    Attributes:
        log: a file that gets a line for each layer, by whichever process.
        before: called with each layer.
    """

    log: Path | None = None
    before: Callable[[Layer], None] = lambda layer: None

    def apply(self, blob: BinaryIO, layer: Layer, root: int) -> LayerStats:
        self.before(layer)
        stream = verify(layer.descriptor, blob.read())
        unmapped = entries = 0
        with tarfile.open(fileobj=io.BytesIO(stream)) as archive:
            archive.extraction_filter = _as_it_is
            for member in archive:
                entries += 1
                unmapped += not _apply_one(archive, member, Path(f"/proc/self/fd/{root}"))
        if self.log:
            with self.log.open("a") as log:
                log.write(f"{layer.diff_id.short}\n")
        return LayerStats(entries=entries, size=len(stream), unmapped_owners=unmapped)

    def diff(self, blob: BinaryIO, layer: Layer, root: int, *, opaque: str) -> LayerDiff | None:
        return None


def _as_it_is(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo:
    return member


def _apply_one(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> bool:
    path = root / member.name
    if path.name == ".wh..wh..opq":
        for child in list(path.parent.iterdir()):
            _remove(child)
        return True
    if path.name.startswith(".wh."):
        _remove(path.with_name(path.name.removeprefix(".wh.")))
        return True
    if not member.isdir() or not path.is_dir():
        _remove(path)
    owner = (member.uid, member.gid)
    member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
    archive.extract(member, root)
    try:
        os.chown(path, *owner, follow_symlinks=not member.issym())
    except OSError:  # an id that does not exist here
        return False
    if not member.issym():
        path.chmod(member.mode)
        os.utime(path, (member.mtime, member.mtime))
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        for child in list(path.iterdir()):
            _remove(child)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Notes:
    """A progress that keeps what it is told."""

    updates: list[tuple[Descriptor, Stage, int]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def update(self, descriptor: Descriptor, stage: Stage, done: int) -> None:
        self.updates.append((descriptor, stage, done))

    def warn(self, message: str) -> None:
        self.warnings.append(message)
