"""Pipes and device nodes.

A layer may hold any device, and as root mknod(2) would make it: a node for the host's
disk. Containers get their /dev from the runtime, so by default only nodes that every /dev
has are made. Character device 0/0 is never made: overlayfs takes it for a whiteout.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from imgfetch.tar.entry import Entry

# null, zero, full, random, urandom, tty, console, ptmx.
_STANDARD = frozenset({(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)})
_NOT_ALLOWED = frozenset({errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOTSUP})
_TYPES = {"char": stat.S_IFCHR, "block": stat.S_IFBLK, "fifo": stat.S_IFIFO}


class DeviceMaker:
    """Makes nodes, and counts those it does not make.

    Args:
        policy: which devices to make; pipes are always made.

    Attributes:
        skipped: number of devices not made.
    """

    def __init__(self, policy: Literal["all", "standard", "none"]) -> None:
        self._policy = policy
        self.skipped = 0

    def make(self, entry: Entry, name: bytes, directory: int) -> bool:
        """Make a pipe or a device.

        Returns:
            Whether it was made.

        Raises:
            FileExistsError: something has this name.
        """
        if entry.kind != "fifo" and not self._is_wanted(entry):
            self.skipped += 1
            return False
        device = os.makedev(entry.major, entry.minor) if entry.kind != "fifo" else 0
        try:
            os.mknod(name, _TYPES[entry.kind] | entry.mode & 0o777, device, dir_fd=directory)
        except OSError as error:
            if entry.kind == "fifo" or error.errno not in _NOT_ALLOWED:
                raise
            self.skipped += 1
            return False
        return True

    def _is_wanted(self, entry: Entry) -> bool:
        number = (entry.major, entry.minor)
        if entry.kind == "char" and number == (0, 0):
            return False
        if self._policy == "standard":
            return entry.kind == "char" and number in _STANDARD
        return self._policy == "all"
