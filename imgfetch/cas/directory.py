"""The content store: verified blobs and the names of images, in a plain OCI layout.

Any number of processes and threads use one store at once, and any of them may be killed at
any moment: the next command goes on without being told. Blobs and ``index.json`` are only
ever replaced by a rename of something complete; readers take no lock for them.
"""

from __future__ import annotations

import os
import time

from imgfetch.cas.reader import LayoutReader
from imgfetch.cas.root import INGEST, StoreRoot
from imgfetch.errors import NotInStoreError, StoreCorruptError, StoreError, VerificationError
from imgfetch.fs import atomic, space
from imgfetch.lean.contextlib import suppress
from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.oci import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from imgfetch.interfaces import Progress
    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.digest import Digest
    from imgfetch.oci.unverified import Unverified

LOCK_TIMEOUT = 120.0
"""Seconds that another process may hold a lock without getting on, by default."""

_DAY = 24 * 3600


class LayoutStore(LayoutReader):
    """A store in a directory: `ContentStore` and `ReferenceStore` of `imgfetch.interfaces`.

    Args:
        path: the directory; made by the first write.
        lock_timeout: seconds to wait for another process that does not get on.
        warn: told what a person should know and what does not stop the work.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        lock_timeout: float = LOCK_TIMEOUT,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._root = StoreRoot(path, lock_timeout=lock_timeout, warn=warn)

    def lease(self) -> AbstractContextManager[None]:
        """Keep all content from being collected for the length of a ``with`` block.

        To be held from before content is ingested until after it has a name, and while
        content is read. Makes the store.

        Raises:
            StoreLockedError: content is being collected, and that does not end.
            StoreError: the store can't be made.
        """
        return self._root.lease()

    # Content

    def require_space(self, descriptors: Iterable[Descriptor]) -> None:
        """See `imgfetch.interfaces.ContentStore`."""
        needed = sum(
            descriptor.size - self._arrived(descriptor)
            for descriptor in descriptors
            if not self.contains(descriptor)
        )
        if needed > 0:
            self._root.create()
            with self._root.errors("read"):
                space.require(self.path, needed)

    def _arrived(self, descriptor: Descriptor) -> int:
        """How much of some content an earlier transfer has left."""
        from imgfetch.cas.ingest import partial_name

        try:
            arrived = os.lstat(self._root.ingest(partial_name(descriptor.digest))).st_size
        except OSError:
            return 0
        return min(arrived, descriptor.size)

    def ingest(self, content: Unverified, progress: Progress) -> None:
        """See `imgfetch.interfaces.ContentStore`.

        One process transfers a digest while the others wait; ``progress`` is told
        ``waiting`` again and again, and what it raises ends the wait.
        """
        descriptor = content.descriptor
        if self.contains(descriptor):
            progress.update(descriptor, "present", descriptor.size)
            return
        from imgfetch.cas.ingest import Transfer, Waiting  # most commands take nothing in

        self._root.create()
        waiting = Waiting(self._root, descriptor, progress)
        with self._root.lease(), self._root.locks.fetching(descriptor.digest, waiting) as held:
            if self.contains(descriptor):
                progress.update(descriptor, "present", descriptor.size)
            else:
                Transfer(self._root, content, progress, exclusive=held).run()

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        """See `imgfetch.interfaces.ContentStore`.

        What is damaged is discarded, so that the next ingest fetches it again.
        """
        try:
            return super().read(descriptor, limit)
        except StoreCorruptError as error:
            if isinstance(error.__cause__, VerificationError):
                with suppress(StoreError):
                    self.discard(descriptor.digest)
            raise

    def discard(self, digest: Digest) -> None:
        """See `imgfetch.interfaces.ContentStore`."""
        with self._root.errors("write"), suppress(FileNotFoundError):
            os.unlink(self._root.blob(digest))

    def mark_used(self, digest: Digest) -> None:
        """Remember that content was used today; see `last_used`.

        The blob's own time says so: it means nothing else, and costs a run one look, and
        one write a day. A store that can't be written to remembers nothing.
        """
        path = self._root.blob(digest)
        with suppress(OSError):
            if time.time() - os.lstat(path).st_mtime > _DAY:
                os.utime(path, follow_symlinks=False)

    # References

    def tag(self, name: str, descriptor: Descriptor) -> None:
        """See `imgfetch.interfaces.ReferenceStore`."""
        self._root.create()
        with self.lease(), self._root.locks.changing_index():
            self._write_index(self.index().with_entry(name, descriptor))

    def pin(self, name: str, *, pinned: bool) -> None:
        """Let a name be removed by hand only, or not any more.

        Raises:
            NotInStoreError: there is no such name.
        """
        if self.lookup(name) is None:
            message = f"{name} is not in the store {self.path}"
            raise NotInStoreError(message, hint="imgfetch images lists what is")
        with self.lease(), self._root.locks.changing_index():
            self._write_index(self.index().with_pin(name, pinned=pinned))

    def untag(self, name: str) -> Descriptor | None:
        """See `imgfetch.interfaces.ReferenceStore`."""
        if not self.index().named(name):
            return None
        self._root.create()
        with self.lease(), self._root.locks.changing_index():
            index = self.index()
            self._write_index(index.without_entry(name))
            return next(iter(index.named(name)), None)

    def _write_index(self, index: layout.LayoutIndex) -> None:
        with self._root.errors("write"):
            atomic.replace_file(
                f"{self.path}/{layout.INDEX}",
                index.to_json(),
                directory=f"{self.path}/{INGEST}",
            )
