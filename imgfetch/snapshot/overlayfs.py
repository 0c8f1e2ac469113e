"""Mounting overlay file systems: the kernel's ``Documentation/filesystems/overlayfs.rst``.

All paths are given relative to one directory and are short, for two reasons. The
kernel cuts mount data at a page, which sixty full paths exceed, with ENOENT or a
root file system without its lower half as the outcome. And it splits paths at ``:``
and ``,``, which the path of a store may contain.
"""

from __future__ import annotations

import errno
import os

from imgfetch.errors import ImgfetchError, NamespaceError, StoreCorruptError
from imgfetch.fs import linux
from imgfetch.fs.space import is_no_space, no_space
from imgfetch.lean import contextlib
from imgfetch.lean.typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator

LINKS: Final = "l"
"""The directory with a link to each lower directory, named 0 (the lowest), 1, 2 …"""

OPAQUE: Final = "trusted.overlay.opaque"
"""Marks a directory that hides all of those below; with ``userxattr`` it is `USER_OPAQUE`."""

USER_OPAQUE: Final = "user.overlay.opaque"

# What a snapshot holds must mean the same wherever it is mounted again, so no references
# between layers, whatever the defaults of the module are on this machine.
_PLAIN = "index=off,metacopy=off,redirect_dir=off"


@contextlib.contextmanager
def standing_in(directory: str) -> Generator[None]:
    """Have another working directory; threads of this process see it too."""
    before = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.chdir(directory)
        try:
            yield
        finally:
            os.fchdir(before)
    finally:
        os.close(before)


def mount_overlay(
    directory: str, lowers: int, *, upper: str, work: str, target: str, initial: bool
) -> None:
    """Mount an overlay.

    Args:
        directory: what the other paths are relative to.
        lowers: how many links there are in `LINKS`, at least 1.
        upper: the writable layer; on the same file system as ``work``.
        work: an empty directory.
        target: an empty directory.
        initial: whether this is the machine's first user namespace. In others, overlayfs
            may not read the attributes that it marks deleted directories with, unless
            they are ``user.overlay.*``: without ``userxattr`` deleted files would reappear.

    Raises:
        NamespaceError: the kernel can't mount this here.
        StoreCorruptError: a lower directory is missing.
        NoSpaceError: no space or inodes left.
    """
    stack = ":".join(f"{LINKS}/{number}" for number in reversed(range(lowers)))
    needed = f"lowerdir={stack},upperdir={upper},workdir={work}"
    if not initial:
        needed += ",userxattr"
    with standing_in(directory):
        try:
            _mount_any(target, f"{needed},volatile,{_PLAIN}", f"{needed},{_PLAIN}", needed)
        except OSError as error:
            raise _refusal(error, directory) from error


def _mount_any(target: str, *options: str) -> None:
    """Mount with the first options that the kernel knows all of."""
    for data in options:
        try:
            linux.mount("overlay", target, "overlay", 0, data)
        except OSError as error:
            # Also for an upper directory that can't be one: the last attempt decides.
            if error.errno != errno.EINVAL or data is options[-1]:
                raise
        else:
            return


def _refusal(error: OSError, directory: str) -> ImgfetchError:
    if is_no_space(error):
        return no_space(directory, error=error)
    if error.errno == errno.ENOENT:
        message = f"{directory}: an unpacked layer is missing"
        return StoreCorruptError(message, hint="imgfetch fsck --repair unpacks it again")
    from imgfetch.remedies import COPY

    message = f"overlayfs can't be mounted in {directory}: {error.strerror}"
    return NamespaceError(message, hint=COPY)
