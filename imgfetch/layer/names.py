"""Names of entries, taken apart.

Names are bytes, relative to the root whether or not they start with a slash, and may
have empty and ``.`` components. Those with ``..`` are refused: nobody needs them, and what
they mean would depend on links that other entries make.
"""

from __future__ import annotations

from imgfetch.errors import MalformedLayerError, UnsafeLayerError
from imgfetch.tar.entry import printable

_NO_NAMES = frozenset({b"", b".", b".."})


def split(name: bytes) -> tuple[bytes, bytes]:
    """The path of the directory, and the last component; empty for the root itself.

    Raises:
        MalformedLayerError: no name at all.
        UnsafeLayerError: a component leads upwards.
    """
    if b".." in name and b".." in name.split(b"/"):
        message = f"{printable(name)} has a component that leads upwards"
        raise UnsafeLayerError(message)
    path, _, last = name.rpartition(b"/")
    return (path, last) if last not in _NO_NAMES else _split_slowly(name)


def _split_slowly(name: bytes) -> tuple[bytes, bytes]:
    if not name:
        message = "an entry has no name"
        raise MalformedLayerError(message)
    names = [part for part in name.split(b"/") if part not in _NO_NAMES]
    return (b"/".join(names[:-1]), names[-1]) if names else (b"", b"")
