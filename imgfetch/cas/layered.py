"""A store of one's own, and behind it others that are only read: ``--store-ro``.

Content that a read-only store has is used where it is: nothing is copied, written or locked
there (NFS, squashfs, a USB stick). What is fetched, named or removed concerns one's own.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from imgfetch.errors import StoreCorruptError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from imgfetch.cas.directory import LayoutStore
    from imgfetch.cas.reader import LayoutReader
    from imgfetch.interfaces import Progress
    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.digest import Digest
    from imgfetch.oci.unverified import Unverified


class LayeredStore:
    """`ContentStore` and `ReferenceStore` of `imgfetch.interfaces` over several directories.

    Args:
        own: what is written to, and looked into first.
        others: what is only read, in this order.
        warn: told what a person should know and what does not stop the work.
    """

    def __init__(
        self,
        own: LayoutStore,
        others: Sequence[LayoutReader],
        *,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._own = own
        self._others = tuple(others)
        self._warn = warn
        self._damaged: set[tuple[str, Digest]] = set()

    @property
    def path(self) -> str:
        """The directory of one's own store, absolute."""
        return self._own.path

    def lease(self) -> AbstractContextManager[None]:
        """See `LayoutStore.lease`."""
        return self._own.lease()

    # Content

    def contains(self, descriptor: Descriptor) -> bool:
        """See `imgfetch.interfaces.ContentStore`."""
        return self._own.contains(descriptor) or self._elsewhere(descriptor) is not None

    def find(self, digest: Digest) -> Descriptor | None:
        """See `imgfetch.interfaces.ContentStore`."""
        return self._own.find(digest) or next(
            (found for store in self._undamaged(digest) if (found := store.find(digest))), None
        )

    def digests(self) -> set[str]:
        """See `LayoutReader.digests`."""
        return self._own.digests().union(*(store.digests() for store in self._others))

    def last_used(self, digest: Digest) -> float | None:
        """See `LayoutReader.last_used`; nobody remembers for read-only stores."""
        return self._own.last_used(digest)

    def mark_used(self, digest: Digest) -> None:
        """See `LayoutStore.mark_used`."""
        self._own.mark_used(digest)

    def require_space(self, descriptors: Iterable[Descriptor]) -> None:
        """See `imgfetch.interfaces.ContentStore`."""
        self._own.require_space(
            descriptor for descriptor in descriptors if self._elsewhere(descriptor) is None
        )

    def ingest(self, content: Unverified, progress: Progress) -> None:
        """See `imgfetch.interfaces.ContentStore`."""
        if self._elsewhere(content.descriptor) is not None:
            progress.update(content.descriptor, "present", content.descriptor.size)
        else:
            self._own.ingest(content, progress)

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        """See `imgfetch.interfaces.ContentStore`."""
        store = self._holder(descriptor)
        try:
            return store.read(descriptor, limit)
        except StoreCorruptError:
            if store is not self._own:
                self._distrust(store, descriptor.digest)
            raise

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """See `imgfetch.interfaces.ContentStore`."""
        return self._holder(descriptor).open(descriptor)

    def discard(self, digest: Digest) -> None:
        """See `imgfetch.interfaces.ContentStore`.

        In a read-only store it stays, and is not looked at again by this process.
        """
        if self._own.find(digest) is not None:
            self._own.discard(digest)
            return
        for store in self._undamaged(digest):
            if store.find(digest) is not None:
                self._distrust(store, digest)
                return

    def _holder(self, descriptor: Descriptor) -> LayoutReader:
        if self._own.contains(descriptor):
            return self._own
        return self._elsewhere(descriptor) or self._own

    def _elsewhere(self, descriptor: Descriptor) -> LayoutReader | None:
        for store in self._undamaged(descriptor.digest):
            if store.contains(descriptor):
                return store
        return None

    def _undamaged(self, digest: Digest) -> Iterable[LayoutReader]:
        return (store for store in self._others if (store.path, digest) not in self._damaged)

    def _distrust(self, store: LayoutReader, digest: Digest) -> None:
        self._damaged.add((store.path, digest))
        self._warn(f"{digest} is damaged in {store.path}; repair that store, or leave it out")

    # References

    def lookup(self, name: str) -> Descriptor | None:
        """See `imgfetch.interfaces.ReferenceStore`; one's own names hide others."""
        return next(
            (found for store in (self._own, *self._others) if (found := store.lookup(name))), None
        )

    def announced(self, digest: Digest) -> Descriptor | None:
        """See `imgfetch.interfaces.ReferenceStore`."""
        return next(
            (found for one in (self._own, *self._others) if (found := one.announced(digest))), None
        )

    def tag(self, name: str, descriptor: Descriptor) -> None:
        """See `imgfetch.interfaces.ReferenceStore`."""
        self._own.tag(name, descriptor)

    def untag(self, name: str) -> Descriptor | None:
        """See `imgfetch.interfaces.ReferenceStore`.

        Raises:
            StoreError: the name is a read-only store's.
        """
        removed = self._own.untag(name)
        if removed is None:
            for store in self._others:
                if store.lookup(name) is not None:
                    message = f"{name} is in the read-only store {store.path}"
                    raise StoreError(message, hint="names can be removed from one's own store only")
        return removed

    def entries(self) -> list[tuple[str | None, Descriptor]]:
        """See `imgfetch.interfaces.ReferenceStore`; each name once."""
        own = self._own.entries()
        names = {name for name, _ in own}
        digests = {descriptor.digest for _, descriptor in own}
        others: list[tuple[str | None, Descriptor]] = []
        for name, descriptor in chain.from_iterable(store.entries() for store in self._others):
            if descriptor.digest in digests if name is None else name in names:
                continue
            others.append((name, descriptor))
            names.add(name)
            digests.add(descriptor.digest)
        return own + others
