"""How a layer is to be applied."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from imgfetch.layer.ownership import ExactOwners

if TYPE_CHECKING:
    from imgfetch.layer.ownership import Owners

_MIB = 1 << 20
_TIB = 1 << 40


@dataclass(frozen=True, slots=True)
class Limits:
    """What a layer may be at most: far above any real one, far below what does harm.

    Attributes:
        entries: in the archive.
        directories: that the layer makes or touches; they are held in memory.
        size: bytes of the uncompressed stream, and bytes of all files with their holes.
        ratio: bytes of the uncompressed stream for each compressed one.
        ratio_from: size in bytes below which the ratio does not matter.
    """

    entries: int = 10_000_000
    directories: int = 1_000_000
    size: int = _TIB
    ratio: int = 1000
    ratio_from: int = 100 * _MIB


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """How to apply layers.

    Attributes:
        owners: `ExactOwners`, `MappedOwners` or `SingleOwner`.
        devices: device nodes to make; the others are counted. ``standard`` are those
            of any /dev (null, zero, tty, …). What the kernel refuses is counted too.
        strict_xattrs: whether an extended attribute that may be set but can't is an
            error; otherwise it is counted.
        record_owners: whether owners that were not set are written down in an extended
            attribute that proot and umoci read (see `imgfetch.layer.recorded`).
        keep_dirlinks: whether a directory leaves a link to a directory in its place.
        read_ahead: whether a second thread decompresses and hashes.
        limits: see `Limits`.
    """

    owners: Owners = field(default_factory=ExactOwners)
    devices: Literal["all", "standard", "none"] = "standard"
    strict_xattrs: bool = False
    record_owners: bool = False
    keep_dirlinks: bool = False
    read_ahead: bool = True
    limits: Limits = field(default_factory=Limits)
