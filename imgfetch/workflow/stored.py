"""The store as a source: it finds names and digests, and transfers nothing.

With it the verbs that fetch work offline too: what is in the store is found there, and
what is not is named in the error.
"""

from __future__ import annotations

from imgfetch.errors import NotInStoreError
from imgfetch.lean.typing import TYPE_CHECKING, NoReturn
from imgfetch.oci.unverified import Unverified

if TYPE_CHECKING:
    from collections.abc import Generator

    from imgfetch.interfaces import ContentStore, ReferenceStore
    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.reference import Reference


def find(
    reference: Reference, references: ReferenceStore, store: ContentStore
) -> Descriptor | None:
    """What a reference stands for in the store.

    A digest decides over a tag, and is found under any name or none: content is
    the same wherever it came from.
    """
    if reference.digest is None:
        return references.lookup(str(reference))
    return references.announced(reference.digest) or store.find(reference.digest)


class StoredSource:
    """An image that is in the store already.

    Args:
        reference: which one.
        references: where names are looked up.
        store: where digests are looked up.
    """

    def __init__(
        self, reference: Reference, references: ReferenceStore, store: ContentStore
    ) -> None:
        self.name = str(reference)
        self._reference = reference
        self._references = references
        self._store = store

    def resolve(self) -> Unverified:
        """See `imgfetch.interfaces.Source`.

        Raises:
            NotInStoreError: the store does not have it.
        """
        descriptor = find(self._reference, self._references, self._store)
        if descriptor is None:
            message = f"{self.name} is not in the store"
            raise NotInStoreError(message, hint=f"fetch it with: imgfetch pull {self.name}")
        return self.fetch(descriptor)

    def fetch(self, descriptor: Descriptor) -> Unverified:
        """See `imgfetch.interfaces.Source`; ``chunks`` only raises."""

        def refuse() -> NoReturn:
            message = (
                f"{self.name}: {descriptor.digest} ({descriptor.size} bytes) is not in the store"
            )
            raise NotInStoreError(message, hint=f"fetch it with: imgfetch pull {self.name}")

        def chunks(_offset: int) -> Generator[bytes, None, None]:
            yield refuse()

        return Unverified(descriptor, chunks, "store")

    def close(self) -> None:
        """Nothing to give back."""


class StoredContentSource(StoredSource):
    """The same for another store, which is given the content."""

    def fetch(self, descriptor: Descriptor) -> Unverified:
        """See `imgfetch.interfaces.Source`."""

        def chunks(offset: int) -> Generator[bytes, None, None]:
            from imgfetch.workflow.verified import read_verified

            position = 0
            for chunk in read_verified(self._store, descriptor):
                skipped = min(max(offset - position, 0), len(chunk))
                position += len(chunk)
                yield chunk[skipped:]

        return Unverified(descriptor, chunks, "store")
