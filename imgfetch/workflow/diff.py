"""What is different between two images: paths, bytes, and how they are run.

Layers that both images have at their bottom are read once; images of the same layers are not
read at all. Of the others names are compared first, then the content of those files that
nothing else tells apart: they are read a second time, one at a time, and only hashed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from imgfetch.layer.comparison import compare
from imgfetch.layer.merged import MergedTree
from imgfetch.workflow.flatten import merge_stored
from imgfetch.workflow.sameness import Sameness
from imgfetch.workflow.settings_diff import SettingChange, compare_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imgfetch.interfaces import ContentStore
    from imgfetch.layer.comparison import Aspect, Pair
    from imgfetch.oci.digest import DiffID, Digest
    from imgfetch.oci.image import Image
    from imgfetch.tar.entry import Entry


class Change(NamedTuple):
    """A path that is different.

    Attributes:
        path: from the root; empty for the root itself.
        kind: what happened to it.
        before: what it was, with the name of its own in the archive; None for what was added.
        after: what it is; None for what was removed.
        aspects: of what was changed, what is different.
    """

    path: bytes
    kind: Literal["added", "removed", "changed"]
    before: Entry | None
    after: Entry | None
    aspects: tuple[Aspect, ...] = ()


@dataclass(frozen=True, slots=True)
class Totals:
    """What is below a directory, and what happened there.

    Attributes:
        before: bytes of files; several names of one file count once.
        after: the same of the other image.
        added: paths.
        removed: paths.
        changed: paths.
    """

    before: int = 0
    after: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0


@dataclass(frozen=True, slots=True)
class Compared:
    """One of the images.

    Attributes:
        name: for people.
        digest: of the manifest.
        platform: ``os/architecture[/variant]``.
        layers: how many.
        compressed: bytes of its layers as they are stored.
    """

    name: str
    digest: Digest
    platform: str
    layers: int
    compressed: int


@dataclass(frozen=True, slots=True)
class ImageDiff:
    """What is different between two images.

    Attributes:
        before: the first.
        after: the second.
        shared_layers: how many layers at the bottom are the same.
        settings: what their configs say otherwise.
        changes: paths in order.
        only_times: how many paths are different in nothing but their times; they are in
            ``changes`` only if that was asked for.
        directories: by name of the directory in the root that has a path; "" for the root.
    """

    before: Compared
    after: Compared
    shared_layers: int
    settings: tuple[SettingChange, ...]
    changes: tuple[Change, ...]
    only_times: int
    directories: dict[bytes, Totals]

    @property
    def is_empty(self) -> bool:
        """Whether the images are the same to whoever runs them."""
        return not self.settings and not self.changes

    @property
    def totals(self) -> Totals:
        """Of all directories."""
        rows = list(self.directories.values())
        return Totals(
            *(
                sum(getattr(row, name) for row in rows)
                for name in ("before", "after", "added", "removed", "changed")
            )
        )


def compare_images(
    before: tuple[str, Image],
    after: tuple[str, Image],
    store: ContentStore,
    *,
    times: bool = False,
) -> ImageDiff:
    """Find what is different between two images, whose layers are in the store.

    Args:
        before: the first one's name, and the image.
        after: the second one's.
        store: where their blobs are.
        times: whether another time makes a path different.

    Raises:
        LayerError: a layer that can't be applied.
        VerificationError: a layer that is not what the config says.
        StoreError: a blob is missing or damaged.
    """
    images = (before[1], after[1])
    shared = _shared(*(image.config.diff_ids for image in images))
    changes: list[Change] = []
    directories: dict[bytes, Totals] = {}
    only_times = 0
    if any(len(image.layers) > shared for image in images):
        trees = _merged(images, shared, store)
        pairs = list(compare(*trees))
        sameness = Sameness(images, store)
        sameness.read(pairs)
        found = (_change(pair, is_same=sameness.holds(pair)) for pair in pairs)
        changes = [change for change in found if change is not None]
        only_times = sum(change.aspects == ("time",) for change in changes)
        if not times:
            changes = [change for change in changes if change.aspects != ("time",)]
        directories = _directories(trees, changes)
    return ImageDiff(
        _compared(*before),
        _compared(*after),
        shared,
        tuple(compare_settings(*(image.config for image in images))),
        tuple(changes),
        only_times,
        directories,
    )


def _shared(before: Sequence[DiffID], after: Sequence[DiffID]) -> int:
    shared = 0
    for one, other in zip(before, after, strict=False):
        if one != other:
            break
        shared += 1
    return shared


def _merged(
    images: tuple[Image, Image], shared: int, store: ContentStore
) -> tuple[MergedTree, MergedTree]:
    first, second = images
    tree = MergedTree()
    for layer in first.layers[:shared]:
        merge_stored(layer, tree, store)
    other = tree.copy()
    for image, top in ((first, tree), (second, other)):
        for layer in image.layers[shared:]:
            merge_stored(layer, top, store)
    return tree, other


def _change(pair: Pair, *, is_same: bool) -> Change | None:
    """What a pair comes to; None when nothing is different."""
    old = pair.before.inode.entry if pair.before else None
    new = pair.after.inode.entry if pair.after else None
    if old is None or new is None:
        return Change(pair.path, "added" if old is None else "removed", old, new)
    aspects = pair.aspects if is_same else ("content", *pair.aspects)
    return Change(pair.path, "changed", old, new, aspects) if aspects else None


def _directories(
    trees: tuple[MergedTree, MergedTree], changes: Iterable[Change]
) -> dict[bytes, Totals]:
    sizes = tuple(map(_sizes, trees))
    counts: dict[tuple[bytes, str], int] = defaultdict(int)
    for change in changes:
        counts[_top(change.path, change.after or change.before), change.kind] += 1
    names = {*sizes[0], *sizes[1], *(name for name, _ in counts)}
    return {
        name: Totals(
            sizes[0].get(name, 0),
            sizes[1].get(name, 0),
            counts[name, "added"],
            counts[name, "removed"],
            counts[name, "changed"],
        )
        for name in sorted(names)
    }


def _sizes(tree: MergedTree) -> dict[bytes, int]:
    sizes: dict[bytes, int] = defaultdict(int)
    seen: set[int] = set()
    for path, node in tree.walk(tree.root):
        inode = node.inode
        if inode.entry.stored and id(inode) not in seen:
            seen.add(id(inode))
            sizes[_top(path, inode.entry)] += inode.entry.stored
    return sizes


def _top(path: bytes, entry: Entry | None) -> bytes:
    """The directory in the root that a path is in, or is; "" for others in the root."""
    top, slash, _ = path.partition(b"/")
    return top if slash or (entry is not None and entry.kind == "directory") else b""


def _compared(name: str, image: Image) -> Compared:
    return Compared(
        name,
        image.descriptor.digest,
        str(image.config.platform),
        len(image.layers),
        sum(layer.descriptor.size for layer in image.layers),
    )
