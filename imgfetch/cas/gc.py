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
from typing import TYPE_CHECKING

from imgfetch.cas.catalog import Catalog, Entry
from imgfetch.cas.ingest import PARTIAL
from imgfetch.cas.locks import LOCKS
from imgfetch.cas.root import INGEST
from imgfetch.cas.view import View
from imgfetch.errors import InvalidDigestError, StoreCorruptError
from imgfetch.fs.atomic import is_temporary_name
from imgfetch.oci import layout
from imgfetch.oci.digest import ENCODED_LENGTH, Digest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from imgfetch.cas.directory import LayoutStore
    from imgfetch.cas.view import DocumentReader

PARTIAL_AGE = 7 * 24 * 3600.0
"""Seconds after which nobody is expected to take up a broken transfer again."""

# Of content that is fetched, and of layers that are unpacked.
_PASSING_LOCKS = (*(f"{algorithm}-" for algorithm in ENCODED_LENGTH), "snapshot-")


def collect(
    store: LayoutStore,
    *,
    content: DocumentReader | None = None,
    catalog: Catalog | None = None,
    timeout: float = 0,
    partial_age: float = PARTIAL_AGE,
) -> int:
    """Delete what no name leads to.

    Args:
        store: the store.
        content: where documents are that may lead to content of the store; the store itself
            by default.
        catalog: what is known of documents.
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
        # Only what is seen from here on stays as it is.
        view = View(content or store, catalog or Catalog(store.path))
        doomed = garbage(store, view, partial_age=partial_age)
        with root.errors("clean up"):
            return sum(map(_delete, doomed))


def garbage(
    store: LayoutStore,
    view: View,
    *,
    without: Collection[str] = (),
    partial_age: float = PARTIAL_AGE,
) -> list[str]:
    """The files that `collect` deletes when nobody uses content.

    Args:
        store: the store.
        view: what is there, and what leads to what.
        without: names to be taken for removed.
        partial_age: see `collect`.

    Raises:
        StoreCorruptError: what is to be kept can't be told.
    """
    if not store.root.exists():
        return []
    live = reachable(store, view, without=without)
    with store.root.errors("look through"):
        return [
            *_unreachable(store, live),
            *_leftovers(store.path, time.time() - partial_age),
        ]


def reachable(
    store: LayoutStore, view: View, *, without: Collection[str] = ()
) -> Mapping[str, int]:
    """All digests that ``index.json`` leads to, whether their content is there or not.

    Returns:
        Their sizes.

    Raises:
        StoreCorruptError: a document that can't be read, so that nobody knows what it
            leads to.
    """
    index = store.index()
    if index.foreign:
        message = f"index.json of {store.path} has {index.foreign} digests of unknown kinds"
        raise StoreCorruptError(message, hint="nothing was deleted: they may lead to anything")
    kept = (entry for entry in index.entries if entry.ref_name not in without)
    return view.reach(map(Entry.of, kept))


def _unreachable(store: LayoutStore, live: Mapping[str, int]) -> Iterator[str]:
    blobs = f"{store.path}/{layout.BLOBS}"
    # A link may lead into a layout that others share: their content is not ours to judge.
    linked = {one for one in ENCODED_LENGTH if os.path.islink(f"{blobs}/{one}")}
    if os.path.islink(blobs):
        return
    for digest in store.digests().difference(live):
        algorithm, _, name = digest.partition(":")
        if algorithm not in linked and _is_blob(algorithm, name):
            yield f"{blobs}/{algorithm}/{name}"


def _is_blob(algorithm: str, name: str) -> bool:
    try:
        Digest(algorithm, name)
    except InvalidDigestError:
        return False
    return True


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


def abandoned_trees(root: str) -> list[str]:
    """Directories below ``ingest`` that were to be temporary, whoever made them.

    They may have files of ids that only namespaces have, and be in use: see `fs.beside`.
    """
    ingest = f"{root}/{INGEST}"
    paths = [f"{ingest}/{name}" for name in _names(ingest) if is_temporary_name(name)]
    return [path for path in paths if os.path.isdir(path) and not os.path.islink(path)]


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
