"""Content of a source into a store, from wherever the source can get it."""

from __future__ import annotations

from imgfetch.errors import VerificationError
from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgfetch.interfaces import ContentStore, Progress, Source
    from imgfetch.oci.descriptor import Descriptor


def ingest(
    descriptor: Descriptor, *, source: Source, store: ContentStore, progress: Progress
) -> None:
    """Bring some content into a store.

    A mirror that gave other bytes than promised is found out when all of them have come;
    then the next one is asked, and the registry last.

    Raises:
        VerificationError: nobody had what was promised.
        ImgfetchError: as `ContentStore.ingest`.
    """
    while True:
        content = source.fetch(descriptor)
        try:
            store.ingest(content, progress)
        except VerificationError:
            if not content.elsewhere():
                raise
        else:
            return
