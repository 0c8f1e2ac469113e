"""What the operating system refused, said of the entry it was about."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from imgfetch.errors import ImgfetchError, LayerError, UnsafeLayerError
from imgfetch.fs.filesystem import is_foreign, kind
from imgfetch.fs.space import is_no_space, no_space
from imgfetch.tar.entry import printable

if TYPE_CHECKING:
    from imgfetch.oci.image import Layer
    from imgfetch.tar.entry import Entry

# What a file system says of what it does not have, or gives nobody.
_REFUSALS = frozenset(
    {errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS, errno.EIO, errno.EINVAL}
)


def of_system(error: OSError, entry: Entry | None, root: int) -> ImgfetchError:
    """An error of the operating system as one of ours.

    Args:
        error: what it said.
        entry: the one at hand.
        root: the directory that the layer is applied to.
    """
    if is_no_space(error):
        return no_space(_path(root), error=error)
    name = printable(entry.name) if entry else "the root directory"
    if error.errno == errno.ELOOP:
        return UnsafeLayerError(f"{name}: too many symbolic links on the way")
    if error.errno == errno.ENAMETOOLONG:
        message = f"{name} has a component that is too long for the file system{_limit(root)}"
        return LayerError(message, actual=error.strerror)
    hint = elsewhere(root) if error.errno in _REFUSALS else None
    return LayerError(f"{name} can't be made", actual=error.strerror, hint=hint)


def elsewhere(directory: int | None) -> str | None:
    """What to do about a file system that refuses what images need; None for all others.

    Args:
        directory: a descriptor of something on it, if there is one.
    """
    name = None if directory is None else kind(directory)
    if not is_foreign(name):
        return None
    return f"This is {name}, which has not all that images need: use --store on a local disk."


def in_layer(error: ImgfetchError, layer: Layer, entry: Entry | None) -> ImgfetchError:
    """The same error, with the layer and the place in it."""
    where = f"layer {layer.diff_id.short}"
    if entry is not None and printable(entry.name) not in error.message:
        where += f", at {printable(entry.name)}"
    return type(error)(
        f"{where}: {error.message}",
        expected=error.expected,
        actual=error.actual,
        hint=error.hint,
    )


def _limit(root: int) -> str:
    try:
        longest = os.fstatvfs(root).f_namemax
    except OSError:
        return ""
    return f" ({kind(root)}: {longest} bytes)"


def _path(root: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{root}")
    except OSError:
        return "."
