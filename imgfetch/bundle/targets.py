"""Places in a root filesystem that things are mounted on, made and checked beforehand.

The runtime would make them too, and older ones follow an image's links out of the root
while they do it (CVE-2021-30465, CVE-2024-45310, CVE-2026-41579). So they are made
here, through descriptors and below the root, before any runtime sees the bundle.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat

from imgfetch.bundle.paths import normalise
from imgfetch.bundle.process import leads_through_proc
from imgfetch.errors import DocumentError, InvalidMountError
from imgfetch.fs.walk import LINK_LIMIT
from imgfetch.lean.typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgfetch.fs.rootdir import RootDir

_SYSTEM: Final = (b"dev", b"proc", b"sys")
# Covered by the tmpfs on /dev in every run, so a link there is nothing anybody needs.
_COVERED: Final = (b"dev/pts", b"dev/shm")


def prepare_targets(root: RootDir, spec: Mapping[str, Any]) -> None:
    """Make a root filesystem ready for a specification's mounts.

    Args:
        root: the root filesystem, writable.
        spec: the specification.

    Raises:
        InvalidMountError: ``/dev``, ``/proc`` or ``/sys`` is a link or a file; a source
            is missing; or a target is of another kind than its source.
        DocumentError: the working directory leads into ``/proc``.
    """
    _prepare_system_directories(root)
    mounted: list[str] = []
    for mount in spec["mounts"]:
        destination: str = mount["destination"]
        # What is below another mount is made in there, by the runtime.
        if not any(destination.startswith(f"{path}/") for path in mounted):
            _prepare_target(root, mount)
        mounted.append(destination)
    _link_mtab(root)
    check_working_directory(root, spec["process"]["cwd"])


def check_working_directory(root: RootDir, path: str) -> None:
    """Refuse a working directory that a link in the image takes into ``/proc``.

    Raises:
        DocumentError: it does (CVE-2024-21626).
    """
    if leads_through_proc(os.fsdecode(resolve(root, os.fsencode(path)))):
        message = f"working directory {path!r} leads into /proc"
        raise DocumentError(message, hint="use --workdir to start somewhere else")


def resolve(root: RootDir, path: bytes) -> bytes:
    """A path of the image with all its links followed, whether there is something or not.

    Nothing may change the root filesystem meanwhile: this is for checks before a
    container starts, and what is opened goes through `RootDir`.

    Raises:
        DocumentError: too many links.
    """
    done: list[bytes] = []
    todo = path.split(b"/")[::-1]
    links = 0
    while todo:
        name = todo.pop()
        if name in {b"", b"."}:
            continue
        if name == b"..":
            done = done[:-1]
            continue
        target = _read_link(root, b"/".join([*done, name]))
        if target is None:
            done.append(name)
            continue
        links += 1
        if links > LINK_LIMIT:
            message = f"too many links in {os.fsdecode(path)!r}"
            raise DocumentError(message)
        done = [] if target.startswith(b"/") else done
        todo += target.split(b"/")[::-1]
    return b"/" + b"/".join(done)


def _read_link(root: RootDir, path: bytes) -> bytes | None:
    try:
        return os.readlink(path, dir_fd=root.fd)
    except OSError:
        return None  # no link, or nothing there


def _prepare_system_directories(root: RootDir) -> None:
    for path in _SYSTEM:
        _require_directory(root, path)
    for path in _COVERED:
        if _read_link(root, path) is not None:
            os.unlink(path, dir_fd=root.fd)
            os.mkdir(path, 0o755, dir_fd=root.fd)


def _link_mtab(root: RootDir) -> None:
    """Have ``/etc/mtab``, as docker and podman do: Java and others look for mounts there."""
    try:
        etc = root.open_directory(b"etc")
        try:
            os.symlink(b"/proc/mounts", b"mtab", dir_fd=etc)
        finally:
            os.close(etc)
    except OSError:
        return  # there is one, or no place for one: most can do without


def _require_directory(root: RootDir, path: bytes) -> None:
    try:
        mode = os.stat(path, dir_fd=root.fd, follow_symlinks=False).st_mode
    except FileNotFoundError:
        os.close(root.make_directories(path))
        return
    if not stat.S_ISDIR(mode):
        what = "a symbolic link" if stat.S_ISLNK(mode) else "no directory"
        message = f"the image's /{path.decode()} is {what}"
        raise InvalidMountError(message, expected="a directory to mount on")


def _prepare_target(root: RootDir, mount: Mapping[str, Any]) -> None:
    destination: str = mount["destination"]
    path = os.fsencode(destination)
    resolved = os.fsdecode(resolve(root, path))
    if normalise(resolved) == "/" or (destination != "/proc" and leads_through_proc(resolved)):
        message = f"mount on {destination}: the image takes it to {resolved}"
        raise InvalidMountError(message, expected="a place outside /proc, other than /")
    try:
        if _is_file(mount):
            os.close(root.make_file_target(path))
        else:
            _make_directory(root, resolved, mount)
    except OSError as error:
        if error.errno not in {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP}:
            raise
        message = f"can't mount {mount['source']} on {destination}: {error.strerror}"
        expected = "a file on a file, or a directory on a directory"
        raise InvalidMountError(message, expected=expected) from error


def _make_directory(root: RootDir, resolved: str, mount: Mapping[str, Any]) -> None:
    """Make a directory to mount on, with the mode that the mounted tmpfs is to have.

    runc before 1.2 gives a tmpfs the mode of what it is mounted on, whatever its options.
    """
    mode = 0o755
    if mount["type"] == "tmpfs":
        given = (word[5:] for word in mount["options"] if word.startswith("mode="))
        mode = int(next(given, "1777"), 8)
        os.close(root.make_directories(os.fsencode(posixpath.dirname(resolved))))
    os.close(root.make_directories(os.fsencode(resolved), mode))


def _is_file(mount: Mapping[str, Any]) -> bool:
    """Whether something other than a directory is bound."""
    if not {"bind", "rbind"}.intersection(mount["options"]):
        return False
    try:
        return not stat.S_ISDIR(os.stat(mount["source"]).st_mode)
    except OSError as error:
        message = f"can't mount {mount['source']}: {error.strerror}"
        hint = "sources of mounts are never made: make the directory first"
        raise InvalidMountError(message, hint=hint) from error
