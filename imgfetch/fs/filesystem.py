"""Which file system a directory is on, and whether a root filesystem can be kept there.

What a file system refuses is an error where it is tried. What it takes and then does not
keep has to be looked for: names that differ in case only are one file on some, and modes
are dropped on others, without a word.
"""

from __future__ import annotations

import os
from typing import Final

_MOUNTINFO: Final = "/proc/self/mountinfo"
# Of other machines and other systems: owners are squashed, or not kept at all.
_FOREIGN: Final = (
    "9p", "afs", "ceph", "cifs", "exfat", "fuse", "gpfs", "lustre", "msdos", "nfs", "ntfs", "smb",
    "vfat", "virtiofs",
)  # fmt: skip
_OVERLAY: Final = "fuse.fuse-overlayfs"
_PROBE: Final = ("imgfetch-Probe", "imgfetch-pROBE")
_MODE: Final = 0o640


def kind(directory: int, mountinfo: str = _MOUNTINFO) -> str | None:
    """The type of the file system that an open directory is on, as mount(8) calls it.

    Args:
        directory: its descriptor.
        mountinfo: the mounts there are.

    Returns:
        None where ``/proc`` does not tell.
    """
    try:
        with open(f"/proc/self/fdinfo/{directory}", encoding="ascii") as lines:
            mount = next(line.split()[1] for line in lines if line.startswith("mnt_id:"))
        with open(mountinfo, encoding="utf-8", errors="surrogateescape") as mounts:
            fields = next(line.split() for line in mounts if line.split()[0] == mount)
    except (OSError, StopIteration):
        return None
    # A varying number of optional fields ends with a dash.
    return fields[fields.index("-") + 1]


def kind_of(path: str) -> str | None:
    """See `kind`; of a path."""
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        return kind(descriptor)
    finally:
        os.close(descriptor)


def is_foreign(name: str | None) -> bool:
    """Whether a type of file system is one that may not let files have other owners."""
    return name is not None and name != _OVERLAY and name.startswith(_FOREIGN)


def shortcoming(directory: str) -> str | None:
    """What a file system silently does to a root filesystem.

    Args:
        directory: one of the caller's own, to try things in.

    Returns:
        For people; None where nothing speaks against it.

    Raises:
        OSError: nothing can be made there.
    """
    probe, other = (f"{directory}/{name}" for name in _PROBE)
    descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        if os.path.lexists(other):
            return _said(directory, "names that differ in case only are one file there")
        os.fchmod(descriptor, _MODE)
        if os.fstat(descriptor).st_mode & 0o777 != _MODE:
            return _said(directory, "files have no permissions of their own there")
    finally:
        os.close(descriptor)
        os.unlink(probe)
    return None


def _said(directory: str, reason: str) -> str:
    name = kind_of(directory) or "a file system"
    return f"{directory} is on {name}, which can't hold a root filesystem: {reason}"
