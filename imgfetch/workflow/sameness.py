"""Whether files of two images are the same where their headers are: by hashes of their content.

Layers are read once more, those only that have such a file, and hashed as they pass. One file
in one layer is the same whatever stack the layer is in, and is not looked at.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from imgfetch.layer.scan import hashes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgfetch.interfaces import ContentStore
    from imgfetch.layer.comparison import Pair
    from imgfetch.layer.merged import Inode
    from imgfetch.oci.digest import DiffID
    from imgfetch.oci.image import Image, Layer

    # A file's content: the layer and where in its stream.
    Place = tuple[DiffID, int]


class Sameness:
    """What is known of files' content.

    Args:
        images: before and after.
        store: where their layers are.
    """

    def __init__(self, images: tuple[Image, Image], store: ContentStore) -> None:
        self._images = images
        self._store = store
        self._hashes: dict[Place, bytes] = {}

    def read(self, pairs: Iterable[Pair]) -> None:
        """Hash what pairs leave open, each file once, whichever image has it."""
        wanted: dict[DiffID, dict[int, int]] = defaultdict(dict)
        layers: dict[DiffID, Layer] = {}
        for pair in pairs:
            inodes = _open(pair)
            places = self._places(inodes)
            if len(set(places)) > 1:
                for side, inode in enumerate(inodes):
                    layer = self._images[side].layers[inode.layer]
                    layers[layer.diff_id] = layer
                    wanted[layer.diff_id][inode.entry.offset] = inode.entry.stored
        for diff_id, extents in wanted.items():
            with self._store.open(layers[diff_id].descriptor) as blob:
                for offset, digest in hashes(blob, sorted(extents.items())):
                    self._hashes[diff_id, offset] = digest

    def holds(self, pair: Pair) -> bool:
        """Whether a pair that was read is of the same content, as far as it was left open."""
        places = self._places(_open(pair))
        return len(set(places)) < 2 or len({self._hashes[place] for place in places}) == 1  # noqa: PLR2004 - two sides

    def _places(self, inodes: list[Inode]) -> list[Place]:
        return [
            (self._images[side].config.diff_ids[inode.layer], inode.entry.offset)
            for side, inode in enumerate(inodes)
        ]


def _open(pair: Pair) -> list[Inode]:
    """Both sides of a pair whose content has to be looked at; nothing of any other."""
    if pair.open and pair.before is not None and pair.after is not None:
        return [pair.before.inode, pair.after.inode]
    return []
