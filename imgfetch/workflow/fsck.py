"""Checking the store: content, names and unpacked layers, each against what it should be.

A platform of an index that was never fetched, or of which a fetch was broken off, is not
damage: what is missing is fetched when it is asked for. A name of which nothing can be used
is. Snapshots are checked by their records; their files can't be, for nobody keeps a digest
of each, and unpacking them again is the repair.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from imgfetch.cas import check
from imgfetch.errors import ContentError, NotInStoreError, StoreCorruptError, StoreError
from imgfetch.oci.document import MANIFEST_LIMIT
from imgfetch.oci.manifest import Manifest, parse
from imgfetch.snapshot.directory import SnapshotDirectory
from imgfetch.workflow.resolve import DEPTH_LIMIT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from imgfetch.cas.reader import LayoutReader
    from imgfetch.cas.root import StoreRoot
    from imgfetch.interfaces import ReferenceStore
    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.digest import Digest

Kind = Literal["index", "blob", "image", "snapshot"]


@dataclass(frozen=True, slots=True)
class Damage:
    """Something in the store that is not what it should be.

    Attributes:
        kind: ``index`` (index.json), ``blob``, ``image`` (a name) or ``snapshot``.
        name: a path below the store, or the image's name.
        problem: what is wrong with it.
        repaired: what was done about it; None for nothing.
        digest: of a blob.
    """

    kind: Kind
    name: str
    problem: str
    repaired: str | None = None
    digest: Digest | None = None


def check_blobs(root: StoreRoot) -> Iterator[Damage]:
    """Every blob, hashed again."""
    for blob in check.check_blobs(root):
        if blob.fault is not None:
            path = os.path.relpath(root.blob(blob.digest), root.path)
            yield Damage("blob", path, blob.fault, digest=blob.digest)


class Intact:
    """What can be read of some stores: content that was found damaged is none.

    Args:
        stores: in the order in which they are looked into.
        damaged: digests that the first of them has in name only.
    """

    def __init__(self, stores: Sequence[LayoutReader], damaged: Collection[Digest]) -> None:
        self._stores = stores
        self._damaged = damaged

    def contains(self, descriptor: Descriptor) -> bool:
        """Whether content is there."""
        return self._holder(descriptor) is not None

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        """A document's bytes.

        Raises:
            NotInStoreError: not there.
            DocumentError: longer than ``limit`` bytes.
        """
        holder = self._holder(descriptor)
        if holder is None:
            message = f"{descriptor.digest} is missing"
            raise NotInStoreError(message)
        return holder.read(descriptor, limit)

    def _holder(self, descriptor: Descriptor) -> LayoutReader | None:
        for number, store in enumerate(self._stores):
            damaged = number == 0 and descriptor.digest in self._damaged
            if not damaged and store.contains(descriptor):
                return store
        return None


def check_names(references: ReferenceStore, content: Intact) -> Iterator[Damage]:
    """Whether of each name there is an image that can be used."""
    for name, descriptor in references.entries():
        problem = _problem(descriptor, content, DEPTH_LIMIT)
        if problem is not None:
            yield Damage("image", name or str(descriptor.digest), problem)


def _problem(descriptor: Descriptor, content: Intact, depth: int) -> str | None:
    """What is wrong with an image; None also for what is no image, but is there."""
    try:
        raw = content.read(descriptor, MANIFEST_LIMIT)
        document = parse(raw, descriptor.media_type)
    except ContentError:
        # Whatever other tools keep in a layout is theirs to judge.
        return None
    except StoreError as error:
        return error.message
    if isinstance(document, Manifest):
        wanted = (document.config, *document.layers)
        missing = [str(blob.digest) for blob in wanted if not content.contains(blob)]
        return f"{', '.join(missing)} is missing" if missing else None
    images = [entry for entry in document.manifests if entry.may_be_image]
    if depth == 0 or not images:
        return None
    if any(_problem(entry, content, depth - 1) is None for entry in images):
        return None
    return "no platform of it is complete"


def check_snapshots(snapshots: str) -> Iterator[Damage]:
    """The record, the tree and the parent of every unpacked layer.

    Args:
        snapshots: absolute path of the store's ``snapshots``.
    """
    for mapping in _names(snapshots):
        directory = SnapshotDirectory(f"{snapshots}/{mapping}")
        names = set(directory.names())
        for name in sorted(names):
            problem = _snapshot_problem(directory, name, names)
            if problem is not None:
                yield Damage("snapshot", f"snapshots/{mapping}/{name}", problem)


def _snapshot_problem(directory: SnapshotDirectory, name: str, names: set[str]) -> str | None:
    try:
        record = directory.record(name)
    except StoreCorruptError as error:
        return error.message
    if not os.path.isdir(directory.tree(name)):
        return "its tree is missing"
    if record.parent is not None and record.parent not in names:
        return f"{record.parent}, which it was built on, is missing"
    return None


def discard_snapshot(snapshots: str, damage: Damage) -> bool:
    """Remove a damaged snapshot; see `check_snapshots`.

    Returns:
        Whether it is gone; False while a container uses it.
    """
    mapping, _, name = damage.name.removeprefix("snapshots/").partition("/")
    return SnapshotDirectory(f"{snapshots}/{mapping}").discard(name)


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []
