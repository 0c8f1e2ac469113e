"""Descriptors of directories: open as long as there is room.

An archive mostly stays in one directory for a while and then moves on to one nearby, so
the last ones are kept. Their number is bounded whatever the archive does, also for paths
of two thousand directories.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgfetch.layer.directory import Directory

# To work below a directory and not to list it, and never through a link.
DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# When there are more, all are closed and opened again as needed.
_OPEN_LIMIT = 128
# Of a long way down, the last ones stay open: what comes next is likely to be among them.
_KEPT_ON_THE_WAY = 64


class Descriptors:
    """Opens and closes directories; the root's stays open throughout."""

    def __init__(self) -> None:
        self._open: list[Directory] = []

    def of(self, directory: Directory) -> int:
        """A directory's descriptor, valid until another one is asked for."""
        if directory.fd < 0:
            self._make_room()
            self._reopen(directory)
        return directory.fd

    def keep(self, directory: Directory, fd: int) -> None:
        """Take care of a directory's descriptor from now on."""
        self._make_room()
        directory.fd = fd
        self._open.append(directory)

    def forget(self, directory: Directory) -> None:
        """Close that of a directory that is gone."""
        if directory.fd >= 0:
            os.close(directory.fd)
            directory.fd = -1
            self._open.remove(directory)

    def close(self) -> None:
        """Close all."""
        for directory in self._open:
            os.close(directory.fd)
            directory.fd = -1
        self._open.clear()

    def _make_room(self) -> None:
        if len(self._open) >= _OPEN_LIMIT:
            self.close()

    def _reopen(self, directory: Directory) -> None:
        """Open a directory from the closest one above that is open."""
        closed = []
        here = directory
        while here.fd < 0:
            closed.append(here)
            here = here.parent
        fd, passing = here.fd, False
        while closed:
            here = closed.pop()
            try:
                inner = os.open(here.name, DIRECTORY, dir_fd=fd)
            finally:
                if passing:
                    os.close(fd)
            fd, passing = inner, len(closed) >= _KEPT_ON_THE_WAY
            if not passing:
                here.fd = fd
                self._open.append(here)
