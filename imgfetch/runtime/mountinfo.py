"""What the mounts of this process mean for a run: proc_pid_mountinfo(5)."""

from __future__ import annotations

import os

_MOUNTINFO = "/proc/self/mountinfo"
_POINT = 4


def fresh_proc_allowed(mountinfo: str = _MOUNTINFO) -> bool:
    """Whether a user namespace may mount procfs.

    The kernel refuses where parts of the one there is are hidden by mounts, as in a
    pod: a new one would show them.
    """
    points = [fields[_POINT] for fields in _mounts(mountinfo)]
    hiding = [point for point in points if point.startswith("/proc/")]
    # An empty directory hides nothing by being mounted on.
    return all(point == "/proc/sys/fs/binfmt_misc" for point in hiding)


def root_is_initramfs(root: str = "/", mountinfo: str = _MOUNTINFO) -> bool:
    """Whether the root file system is the one the kernel was booted with.

    It can't be moved, so pivot_root(2) fails with EINVAL.
    """
    if os.major(os.stat(root).st_dev):  # on a disk
        return False
    on_root = [fields for fields in _mounts(mountinfo) if fields[_POINT] == root]
    return bool(on_root) and _kind(on_root[-1]) == "rootfs"


def _mounts(mountinfo: str) -> list[list[str]]:
    try:
        with open(mountinfo, encoding="utf-8", errors="surrogateescape") as file:
            return [line.split() for line in file]
    except OSError:
        return []


def _kind(fields: list[str]) -> str:
    # A varying number of optional fields ends with a dash.
    return fields[fields.index("-") + 1]
