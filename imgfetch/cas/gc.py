"""Deletion of content that no name leads to, and of what crashes left behind.

Everything that ``index.json`` names is kept, entries of other tools and entries without a
name too, and all that is below. What is missing below is fine: of an index mostly one
platform's image was fetched. Files that are none of ours stay where they are.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from imgfetch.cas.ingest import PARTIAL
from imgfetch.cas.locks import LOCKS
from imgfetch.cas.root import INGEST
from imgfetch.errors import ContentError, InvalidDigestError, NotInStoreError, StoreCorruptError
from imgfetch.fs.atomic import is_temporary_name
from imgfetch.oci import layout, mediatype
from imgfetch.oci.digest import ENCODED_LENGTH, Digest
from imgfetch.oci.document import MANIFEST_LIMIT
from imgfetch.oci.manifest import Index, parse

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from imgfetch.cas.directory import LayoutStore
    from imgfetch.oci.descriptor import Descriptor

PARTIAL_AGE = 7 * 24 * 3600.0
"""Seconds after which nobody is expected to take up a broken transfer again."""

# Of content that is fetched, and of layers that are unpacked.
_PASSING_LOCKS = (*(f"{algorithm}-" for algorithm in ENCODED_LENGTH), "snapshot-")
_DOCUMENTS = mediatype.INDEXES | mediatype.MANIFESTS | mediatype.GENERIC


class DocumentReader(Protocol):
    """Gives documents: the part of a `ContentStore` that tells what leads where."""

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        """See `imgfetch.interfaces.ContentStore`."""
        ...


def collect(
    store: LayoutStore,
    *,
    content: DocumentReader | None = None,
    timeout: float = 0,
    partial_age: float = PARTIAL_AGE,
) -> int:
    """Delete what no name leads to.

    Args:
        store: the store.
        content: where documents are that may lead to content of the store; the store itself
            by default.
        timeout: seconds to wait for pulls and runs to end: they may be about to name, or
            are reading, what has no name.
        partial_age: keep broken transfers that are younger, in seconds.

    Returns:
        How many bytes were freed.

    Raises:
        StoreLockedError: content is in use.
        StoreCorruptError: what is to be kept can't be told; nothing was deleted.
    """
    root = store.root
    if not root.exists():
        return 0
    root.create()
    with root.locks.deleting_content(timeout):
        doomed = garbage(store, content=content, partial_age=partial_age)
        with root.errors("clean up"):
            return sum(map(_delete, doomed))


def garbage(
    store: LayoutStore,
    *,
    content: DocumentReader | None = None,
    without: Collection[str] = (),
    partial_age: float = PARTIAL_AGE,
) -> list[str]:
    """The files that `collect` deletes when nobody uses content.

    Args:
        store: the store.
        content: see `collect`.
        without: names to be taken for removed.
        partial_age: see `collect`.

    Raises:
        StoreCorruptError: what is to be kept can't be told.
    """
    if not store.root.exists():
        return []
    live = reachable(store, content=content, without=without)
    with store.root.errors("look through"):
        return [
            *_unreachable(store.path, live),
            *_leftovers(store.path, time.time() - partial_age),
        ]


def reachable(
    store: LayoutStore, *, content: DocumentReader | None = None, without: Collection[str] = ()
) -> set[Digest]:
    """All digests that ``index.json`` leads to, whether their content is there or not.

    Raises:
        StoreCorruptError: a document that can't be read, so that nobody knows what it
            leads to.
    """
    index = store.index()
    if index.foreign:
        message = f"index.json of {store.path} has {index.foreign} digests of unknown kinds"
        raise StoreCorruptError(message, hint="nothing was deleted: they may lead to anything")
    entries = (entry for entry in index.entries if entry.ref_name not in without)
    return set(reach(entries, content or store))


def reach(descriptors: Iterable[Descriptor], content: DocumentReader) -> dict[Digest, Descriptor]:
    """All that descriptors lead to, themselves included.

    Raises:
        StoreCorruptError: see `reachable`.
    """
    live: dict[Digest, Descriptor] = {}
    waiting = list(descriptors)
    while waiting:
        descriptor = waiting.pop()
        if descriptor.digest not in live:
            live[descriptor.digest] = descriptor
            waiting.extend(_children(content, descriptor))
    return live


def _children(content: DocumentReader, descriptor: Descriptor) -> Iterable[Descriptor]:
    if mediatype.normalize(descriptor.media_type) not in _DOCUMENTS:
        return ()
    try:
        raw = content.read(descriptor, MANIFEST_LIMIT)
        document = parse(raw, descriptor.media_type, f"manifest {descriptor.digest}")
    except NotInStoreError:
        return ()
    except ContentError as error:
        message = f"can't tell what {descriptor.digest} leads to: {error.message}"
        raise StoreCorruptError(message, hint="nothing was deleted") from error
    if isinstance(document, Index):
        return document.manifests
    return (document.config, *document.layers)


def _unreachable(root: str, live: set[Digest]) -> Iterator[str]:
    for algorithm in ENCODED_LENGTH:
        directory = f"{root}/{layout.BLOBS}/{algorithm}"
        # A link may lead into a layout that others share: their content is not ours to judge.
        if os.path.islink(directory) or os.path.islink(os.path.dirname(directory)):
            continue
        for name in _names(directory):
            try:
                digest = Digest(algorithm, name)
            except InvalidDigestError:
                continue
            if digest not in live:
                yield f"{directory}/{name}"


def _leftovers(root: str, partials_before: float) -> Iterator[str]:
    """Files of writers that died; nobody writes while we are the only one."""
    for name in _names(root):
        if is_temporary_name(name):
            yield f"{root}/{name}"
    for name in _names(f"{root}/{INGEST}"):
        path = f"{root}/{INGEST}/{name}"
        old = os.lstat(path).st_mtime < partials_before
        if is_temporary_name(name) or (name.endswith(PARTIAL) and old):
            yield path
    # Whoever ends in good order removes these.
    for name in _names(f"{root}/{LOCKS}"):
        if name.startswith(_PASSING_LOCKS):
            yield f"{root}/{LOCKS}/{name}"


def _names(directory: str) -> list[str]:
    with suppress(FileNotFoundError):
        return os.listdir(directory)
    return []


def freeable(path: str) -> int:
    """How many bytes are freed when a file is deleted; 0 for what is no file of ours."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return 0
    kind = stat.S_IFMT(status.st_mode)
    return status.st_size if kind in {stat.S_IFREG, stat.S_IFLNK} else 0


def _delete(path: str) -> int:
    # Never followed, and never a directory: what a link points to is not ours to delete.
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISLNK(status.st_mode):
        return 0
    os.unlink(path)
    return status.st_size
