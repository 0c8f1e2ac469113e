"""Looking at images without storing anything."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from imgfetch.client.naming import reference_of
from imgfetch.oci.transport import PathName

if TYPE_CHECKING:
    from collections.abc import Generator

    from imgfetch.client.collaborators import Collaborators
    from imgfetch.interfaces import ContentStore, Source
    from imgfetch.oci.transport import ImageName
    from imgfetch.workflow.resolve import Documents


@contextmanager
def documents_of(
    with_: Collaborators, name: ImageName, *, stored_first: bool
) -> Generator[Documents]:
    """An image's documents, from its source or from the store.

    Args:
        with_: the collaborators.
        name: of the image.
        stored_first: whether what is in the store is good enough, also while it may have
            moved at the source.
    """
    from imgfetch.cas.memory import MemoryStore
    from imgfetch.workflow.resolve import Documents
    from imgfetch.workflow.stored import StoredSource, find

    own = with_.store
    opener = with_.remote(name)
    stored = (
        stored_first
        and not isinstance(name, PathName)
        and find(name.reference, own, own) is not None
    )
    store: ContentStore = own
    if opener is None or stored:
        source: Source = StoredSource(reference_of(name), own, own)
    else:
        source, store = opener(), MemoryStore()
    try:
        yield Documents(source, store, with_.progress)
    finally:
        source.close()
