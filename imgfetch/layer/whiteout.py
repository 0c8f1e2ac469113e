"""Whiteouts: names that say what of the layers below is gone.

image-spec layer.md "Whiteouts". Classification only, without I/O: a name goes in, its
meaning comes out. Refused are whiteouts of nothing, of the directory itself and of the
one above, and anything below a name with the prefix, which the specification reserves.
"""

from __future__ import annotations

from typing import NamedTuple

from imgfetch.errors import MalformedLayerError
from imgfetch.tar.entry import printable

PREFIX = b".wh."
OPAQUE = b".wh..wh..opq"
# AUFS kept notes of its own under such names, and old images have them.
_AUFS = b".wh..wh."


class Whiteout(NamedTuple):
    """What an entry with a whiteout's name means.

    Attributes:
        hides: the name in its directory that is gone; None for all names of the layers
            below (opaque).
    """

    hides: bytes | None


def classify(name: bytes) -> Whiteout | None:
    """The meaning of a last component.

    Raises:
        MalformedLayerError: ``.wh.``, ``.wh..`` or ``.wh...``, which would remove a
            directory through an entry inside it.
    """
    if not name.startswith(PREFIX):
        return None
    if name == OPAQUE:
        return Whiteout(None)
    hidden = name.removeprefix(PREFIX)
    if hidden in {b"", b".", b".."}:
        message = f"{printable(name)} is a whiteout of nothing that can be removed"
        raise MalformedLayerError(message)
    return Whiteout(hidden)


def is_note(path: bytes) -> bool:
    """Whether a path is part of AUFS' notes, which are not content.

    Raises:
        MalformedLayerError: it is below another name with the reserved prefix.
    """
    *above, last = [name for name in path.split(b"/") if name]
    if last.startswith(_AUFS) and last != OPAQUE:
        return True
    for name in above:
        if name.startswith(_AUFS):
            return True
        if name.startswith(PREFIX):
            message = f"{printable(path)} is below a name that is reserved for whiteouts"
            raise MalformedLayerError(message)
    return False
