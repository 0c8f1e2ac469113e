"""Where an image's bytes are: layer by layer, and those that are carried for nothing.

Every layer is read to its end and compared with its diffID, as for an export; nothing is
unpacked, and what is held in memory are names.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgfetch.layer.ledger import LedgerTree
from imgfetch.workflow.flatten import merge_stored
from imgfetch.workflow.images import steps

if TYPE_CHECKING:
    from imgfetch.interfaces import ContentStore
    from imgfetch.layer.ledger import Carried, Changes
    from imgfetch.oci.digest import DiffID, Digest
    from imgfetch.oci.image import Image, Layer


@dataclass(frozen=True, slots=True)
class CarriedLayer:
    """A layer and what it does.

    Attributes:
        number: from 0, the lowest.
        digest: of the blob.
        diff_id: of the uncompressed stream.
        compressed: bytes of the blob.
        stream: bytes of the uncompressed stream, headers and padding included.
        size: bytes of the files that it carries.
        wasted: bytes of those that are not in the root filesystem.
        files: how many it carries.
        changes: what it does to names.
    """

    number: int
    digest: Digest
    diff_id: DiffID
    compressed: int
    stream: int
    size: int
    wasted: int
    files: int
    changes: Changes


@dataclass(frozen=True, slots=True)
class Step:
    """A step of an image's making.

    Attributes:
        created: RFC 3339, "" where it is not said.
        created_by: what its maker wrote; "" where it is not said.
        comment: free-form.
        layer: that it made; None for a step that made none.
    """

    created: str
    created_by: str
    comment: str
    layer: CarriedLayer | None


@dataclass(frozen=True, slots=True)
class ImageTree:
    """Where an image's bytes are.

    Attributes:
        name: of the image.
        digest: of its manifest.
        platform: ``os/architecture[/variant]``.
        steps: lowest first.
        files: all that the layers carry, see `imgfetch.layer.ledger.LedgerTree.carried`.
    """

    name: str
    digest: Digest
    platform: str
    steps: tuple[Step, ...]
    files: tuple[Carried, ...]

    @property
    def layers(self) -> tuple[CarriedLayer, ...]:
        """The layers, lowest first."""
        return tuple(step.layer for step in self.steps if step.layer is not None)

    @property
    def compressed(self) -> int:
        """Bytes of all layers as they are stored."""
        return sum(layer.compressed for layer in self.layers)

    @property
    def size(self) -> int:
        """Bytes of all files that the layers carry."""
        return sum(layer.size for layer in self.layers)

    @property
    def wasted(self) -> int:
        """Bytes of those that are not in the root filesystem."""
        return sum(layer.wasted for layer in self.layers)

    def directories(self, depth: int) -> dict[bytes, tuple[int, int]]:
        """Bytes in the root filesystem, and bytes carried for nothing, by directory.

        Args:
            depth: components of a directory's path; what is deeper counts for the one above.

        Returns:
            The largest first.
        """
        sizes: dict[bytes, tuple[int, int]] = defaultdict(lambda: (0, 0))
        for file in self.files:
            directory = b"/".join(file.path.split(b"/")[:-1][:depth])
            kept, wasted = sizes[directory]
            if file.fate is None:
                sizes[directory] = kept + file.size, wasted
            else:
                sizes[directory] = kept, wasted + file.size
        return dict(sorted(sizes.items(), key=lambda item: (-sum(item[1]), item[0])))


def account(name: str, image: Image, store: ContentStore) -> ImageTree:
    """Read an image's layers and keep books of them.

    Args:
        name: of the image, for people.
        image: whose layers are in the store.
        store: where their blobs are.

    Raises:
        LayerError: a layer that can't be applied.
        VerificationError: a layer that is not what the config says.
        StoreError: a blob is missing or damaged.
    """
    tree = LedgerTree()
    streams = [merge_stored(layer, tree, store) for layer in image.layers]
    files = tuple(tree.carried())
    layers = iter(_layers(image.layers, streams, tree.changes, files))
    return ImageTree(
        name,
        image.descriptor.digest,
        str(image.config.platform),
        tuple(
            Step(entry.created, entry.created_by, entry.comment, layer and next(layers))
            for entry, layer in steps(image)
        ),
        files,
    )


def _layers(
    layers: tuple[Layer, ...],
    streams: list[int],
    changes: list[Changes],
    files: tuple[Carried, ...],
) -> list[CarriedLayer]:
    counts, sizes, wasted = ([0] * len(layers) for _ in range(3))
    for file in files:
        counts[file.layer] += 1
        sizes[file.layer] += file.size
        wasted[file.layer] += file.size if file.fate else 0
    return [
        CarriedLayer(
            number,
            layer.descriptor.digest,
            layer.diff_id,
            layer.descriptor.size,
            streams[number],
            sizes[number],
            wasted[number],
            counts[number],
            changes[number],
        )
        for number, layer in enumerate(layers)
    ]
