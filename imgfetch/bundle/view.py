"""The files of a container as it is going to see them, looked at before it starts.

A path may lead through links of the image and through mounts. What is bound from the
host is looked up there; what is on other mounts (``/proc``, a tmpfs) can't be told.
Nothing is changed, and nothing is opened that is not a regular file.
"""

from __future__ import annotations

import os
import posixpath

from imgfetch.errors import ContentError
from imgfetch.fs.walk import LINK_LIMIT
from imgfetch.lean.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imgfetch.fs.rootdir import RootDir

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class _Place(NamedTuple):
    """Where something is: a path below the root, or one of the host."""

    path: bytes
    on_host: bool


class Found(NamedTuple):
    """Something that is there.

    Attributes:
        status: all links followed.
        place: for `View.open`.
    """

    status: os.stat_result
    place: _Place


class Unknowable(Exception):  # noqa: N818 - an answer, and no error
    """On a mount that can't be looked at before the container runs."""


class View:
    """A root filesystem with mounts in it.

    Args:
        root: the root filesystem.
        mounts: those of the specification, in the order in which they are made.
    """

    def __init__(self, root: RootDir, mounts: Iterable[Mapping[str, Any]]) -> None:
        self._root = root
        # What is mounted last covers what was there before.
        self._mounts = [_mount(mount) for mount in mounts][::-1]

    def find(self, path: str) -> Found | None:
        """What a path stands for, all links followed; None when there is nothing.

        Raises:
            Unknowable: it is on a mount that can't be looked at.
        """
        done: list[bytes] = []
        todo = os.fsencode(path).split(b"/")[::-1]
        links = 0
        while todo:
            name = todo.pop()
            if name in {b"", b"."}:
                continue
            if name == b"..":
                done = done[:-1]
                continue
            target = self._read_link(b"/".join([*done, name]))
            if target is None:
                done.append(name)
                continue
            links += 1
            if links > LINK_LIMIT:
                return None
            done = [] if target.startswith(b"/") else done
            todo += target.split(b"/")[::-1]
        place = self._place(b"/".join(done))
        try:
            return Found(self._stat(place), place)
        except OSError:
            return None

    def open(self, found: Found) -> int | None:
        """A regular file's descriptor, to read; None where that is not allowed."""
        path, on_host = found.place
        try:
            return os.open(path, _FILE) if on_host else self._root.open_file(path)
        except (OSError, ContentError):
            return None  # execute permission without read permission is enough to run it

    def _place(self, path: bytes) -> _Place:
        for destination, source in self._mounts:
            if path == destination or path.startswith(destination + b"/"):
                if source is None:
                    raise Unknowable
                return _Place(source + path[len(destination) :], on_host=True)
        return _Place(path, on_host=False)

    def _stat(self, place: _Place) -> os.stat_result:
        """Of the thing itself: the links before it were followed, below the root."""
        if place.on_host:
            # The source itself may be a link of the host's.
            linked = any(place.path == source for _, source in self._mounts)
            return os.stat(place.path, follow_symlinks=linked)
        return os.stat(place.path or b".", dir_fd=self._root.fd, follow_symlinks=False)

    def _read_link(self, path: bytes) -> bytes | None:
        place = self._place(path)
        try:
            if not place.on_host:
                return os.readlink(path, dir_fd=self._root.fd)
            if any(place.path == source for _, source in self._mounts):
                return None
            return os.readlink(place.path)
        except OSError:
            return None  # no link, or nothing there


def _mount(mount: Mapping[str, Any]) -> tuple[bytes, bytes | None]:
    """Destination and, where files of the host are bound, source."""
    bound = {"bind", "rbind"}.intersection(mount.get("options", ()))
    source = posixpath.normpath(mount["source"]) if bound else "/proc"
    # What /proc shows depends on who looks.
    known = not f"{source}/".startswith(("/proc/", "/dev/", "/sys/"))
    destination = os.fsencode(mount["destination"]).strip(b"/")
    return destination, os.fsencode(source) if known else None
