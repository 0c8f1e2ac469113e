"""What the operating system refused, said of the entry it was about."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from imgfetch.errors import ImgfetchError, LayerError, UnsafeLayerError
from imgfetch.fs.space import is_no_space, no_space
from imgfetch.tar.entry import printable

if TYPE_CHECKING:
    from imgfetch.oci.image import Layer
    from imgfetch.tar.entry import Entry


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
        message = f"{name} has a component that is too long for the file system"
        return LayerError(message, actual=error.strerror)
    return LayerError(f"{name} can't be made", actual=error.strerror)


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


def _path(root: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{root}")
    except OSError:
        return "."
