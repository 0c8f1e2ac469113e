"""An image to a directory: a bundle, or its root filesystem alone.

The layers are put together in one tree, which is made in a staging directory inside
the target and moved up when it is whole, so that a failure leaves the target as
it was. What a killed process left is recognised and cleared away by the next one, also
what it had moved up already: as long as its staging directory is there, it had not done.
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING

from imgfetch.errors import ImgfetchError, InvalidOptionError
from imgfetch.fs.atomic import make_directory
from imgfetch.fs.claim import claim_abandoned, make_claimed
from imgfetch.fs.filesystem import shortcoming
from imgfetch.fs.removal import remove_tree
from imgfetch.fs.space import is_no_space, no_space, no_space_told
from imgfetch.snapshot.merge import unpack_merged

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from imgfetch.oci.image import Image
    from imgfetch.snapshot.unpacker import Unpacker

ROOTFS = "rootfs"
_STAGING = ".imgfetch-staging-"
# In a staging directory, once what is in there is moved up: what, and from where.
_MOVING = "moving"
# The host's policy gives every directory one, and few may change it.
_LABEL = "security.selinux"


def unpack_bundle(
    image: Image,
    directory: str,
    unpacker: Unpacker,
    write_config: Callable[[str], None],
    *,
    owner: tuple[int, int] | None = None,
) -> None:
    """Make ``directory/rootfs`` and ``directory/config.json``.

    Args:
        image: its layers are in the unpacker's store.
        directory: absent or empty.
        unpacker: applies layers.
        write_config: given a bundle with its root filesystem, adds ``config.json``.
        owner: user and group of a root directory that no layer says anything about; None
            for the caller's.

    Raises:
        InvalidOptionError: the directory is not empty, or can't be made.
        LayerError: a layer can't be applied.
        NoSpaceError: no space or inodes left.
    """
    with _staged(directory) as staging:
        _apply(image, staging, unpacker, owner)
        write_config(staging)
        # The config last: a bundle that has one is whole.
        _move_up(staging, "", [ROOTFS, "config.json"], directory)


def unpack_rootfs(
    image: Image,
    directory: str,
    unpacker: Unpacker,
    *,
    owner: tuple[int, int] | None = None,
) -> None:
    """Make the directory itself the image's root filesystem.

    Args:
        image: its layers are in the unpacker's store.
        directory: absent or empty.
        unpacker: applies layers.
        owner: as for `unpack_bundle`.

    Raises:
        InvalidOptionError: the directory is not empty, or can't be made.
        LayerError: a layer can't be applied.
        NoSpaceError: no space or inodes left.
    """
    with _staged(directory) as staging:
        root = f"{staging}/{ROOTFS}"
        _apply(image, staging, unpacker, owner)
        status = os.stat(root)
        attributes = {name: os.getxattr(root, name) for name in os.listxattr(root)}
        _move_up(staging, ROOTFS, os.listdir(root), directory)
        # Before the target's own times are set, which this changes.
        remove_tree(staging)
        _take_over(directory, status, attributes)


def _move_up(staging: str, inner: str, names: Sequence[str], directory: str) -> None:
    """Move what is in a staging directory, or in a directory inside, to the target."""
    marker = f"{staging}/{_MOVING}"
    with open(f"{marker}.new", "wb") as file:
        file.write(b"\0".join(map(os.fsencode, [inner, *names])))
    os.rename(f"{marker}.new", marker)
    for name in names:
        os.rename(f"{staging}/{inner}/{name}", f"{directory}/{name}")


def _take_back(staging: str, directory: str) -> None:
    """Remove from the target what was moved up there before the process was killed."""
    try:
        with open(f"{staging}/{_MOVING}", "rb") as file:
            inner, *names = map(os.fsdecode, file.read().split(b"\0"))
    except FileNotFoundError:
        return
    # What is still in there was not moved: its name in the target is somebody else's.
    moved = [name for name in names if not os.path.lexists(f"{staging}/{inner}/{name}")]
    if not inner and moved == names:
        return  # a bundle, and whole: somebody may be using it
    for name in moved:
        remove_tree(f"{directory}/{name}")


def _take_over(directory: str, status: os.stat_result, attributes: Mapping[str, bytes]) -> None:
    """Give the target what the image's root directory has."""
    for name, value in attributes.items():
        if name != _LABEL:
            os.setxattr(directory, name, value)
    if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
        os.chown(directory, status.st_uid, status.st_gid)
    os.chmod(directory, status.st_mode & 0o7777)
    os.utime(directory, ns=(status.st_atime_ns, status.st_mtime_ns))


def _apply(image: Image, staging: str, unpacker: Unpacker, owner: tuple[int, int] | None) -> None:
    root = f"{staging}/{ROOTFS}"
    make_directory(root, 0o755)
    if owner is not None:
        os.chown(root, *owner)
    unpacker.warn_of(unpack_merged(image.layers, root, staging, unpacker))


@contextlib.contextmanager
def _staged(directory: str) -> Generator[str]:
    """A staging directory inside the target; what fails leaves neither of them behind."""
    made: list[str] = []
    alone = False
    try:
        _make_empty(directory, made)
        with _staging(directory) as staging:
            alone = True
            yield staging
    except BaseException as error:
        # Before anything is removed: the refusal tells how full the file system is.
        refusal = _refusal(error, directory) if isinstance(error, OSError) else None
        _undo(directory, made, clear=alone)
        if refusal is not None:
            raise refusal from error
        raise


@contextlib.contextmanager
def _staging(directory: str) -> Generator[str]:
    name = f"{_STAGING}{os.urandom(8).hex()}"
    path = f"{directory}/{name}"
    claim = make_claimed(path)
    try:
        # Whoever comes later finds this one and leaves.
        for other in os.listdir(directory):
            if other != name:
                raise _not_empty(directory, other)
        reason = shortcoming(path)
        if reason is not None:
            hint = "name a directory on another file system"
            raise InvalidOptionError(reason, hint=hint)
        with no_space_told(directory):
            yield path
    finally:
        remove_tree(path)
        os.close(claim)


def _make_empty(directory: str, made: list[str]) -> None:
    """Make the target, or see that it is empty.

    Args:
        directory: the target.
        made: gets the directories that were made, the outermost first.
    """
    missing = directory
    while not os.path.lexists(missing):
        made.insert(0, missing)
        missing = os.path.dirname(missing)
    os.makedirs(directory, exist_ok=True)
    for name in os.listdir(directory):
        if name.startswith(_STAGING):
            _clear(f"{directory}/{name}", directory)
    left = os.listdir(directory)
    if left:
        raise _not_empty(directory, left[0])


def _clear(staging: str, directory: str) -> None:
    """Undo what a process did that has ended in the middle, and not one that lives."""
    claim = claim_abandoned(staging)
    if claim is None:
        return
    try:
        _take_back(staging, directory)
        remove_tree(staging)
    finally:
        os.close(claim)


def _undo(directory: str, made: Sequence[str], *, clear: bool) -> None:
    if clear:
        for name in os.listdir(directory):
            remove_tree(f"{directory}/{name}")
    # What somebody else has put into them meanwhile stays.
    with contextlib.suppress(OSError):
        for path in reversed(made):
            os.rmdir(path)


def _not_empty(directory: str, name: str) -> InvalidOptionError:
    message = f"{directory} is not empty"
    return InvalidOptionError(message, actual=name, hint="name a new or an empty directory")


def _refusal(error: OSError, directory: str) -> ImgfetchError:
    if is_no_space(error):
        return no_space(directory, error=error)
    if error.errno in {errno.ENOTDIR, errno.EEXIST}:
        message = f"{directory} is not a directory"
        return InvalidOptionError(message)
    message = f"{directory} can't be made: {error.strerror}"
    return InvalidOptionError(message)
