"""Following a path below a directory one component at a time, without openat2(2).

For kernels and sandboxes that do not have that call, and for making directories on the
way, which it can't do. Each component is opened through the descriptor of the one before
and never followed if it is a link: links are read, and what they say is walked in turn.
"""

from __future__ import annotations

import errno
import os

# As many as the kernel follows in one path, path_resolution(7).
LINK_LIMIT = 40

DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def locate(root: int, path: bytes, mode: int | None) -> tuple[int, bytes]:
    """Follow a path to its last component, which is no link but may be missing.

    Args:
        root: the directory to stay in.
        path: where.
        mode: of directories to make on the way; None to make none.

    Returns:
        The directory's descriptor, and a name in it (``.`` for the root itself).
    """
    directory = os.open(b".", DIRECTORY, dir_fd=root)
    trail: list[bytes] = []
    todo = _components(path)
    hops = 0
    try:
        while todo:
            name = todo.pop()
            if name == b"..":
                # Not `..` of the directory: it may have been moved out of the root.
                trail = trail[:-1]
                directory = _swap(directory, _reopen(root, trail))
            elif (target := _link_target(directory, name)) is not None:
                hops = _count_hop(hops, path)
                if target.startswith(b"/"):
                    trail = []
                    directory = _swap(directory, _reopen(root, trail))
                todo += _components(target)
            elif not todo:
                return directory, name
            else:
                trail.append(name)
                directory = _swap(directory, enter(directory, name, mode))
    except BaseException:
        os.close(directory)
        raise
    return directory, b"."


def _count_hop(hops: int, path: bytes) -> int:
    if hops == LINK_LIMIT:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    return hops + 1


def _components(path: bytes) -> list[bytes]:
    """The components, the last one first."""
    return [name for name in reversed(path.split(b"/")) if name not in {b"", b"."}]


def _swap(old: int, new: int) -> int:
    os.close(old)
    return new


def _reopen(root: int, trail: list[bytes]) -> int:
    directory = os.open(b".", DIRECTORY, dir_fd=root)
    for name in trail:
        try:
            inner = os.open(name, DIRECTORY, dir_fd=directory)
        finally:
            os.close(directory)
        directory = inner
    return directory


def _link_target(directory: int, name: bytes) -> bytes | None:
    try:
        return os.readlink(name, dir_fd=directory)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.EINVAL:  # not a link
            return None
        raise


def enter(directory: int, name: bytes, mode: int | None) -> int:
    """Open a directory, or make it first when there is nothing and a mode is given."""
    try:
        return os.open(name, DIRECTORY, dir_fd=directory)
    except FileNotFoundError:
        if mode is None:
            raise
    os.mkdir(name, mode, dir_fd=directory)
    # mkdir(2) takes the umask off the mode.
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    readable = os.open(name, flags, dir_fd=directory)
    try:
        os.fchmod(readable, mode)
    finally:
        os.close(readable)
    return os.open(name, DIRECTORY, dir_fd=directory)
