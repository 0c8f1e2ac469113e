"""A store in memory: for looks at an image that leave nothing behind, and for tests."""

from __future__ import annotations

import io
from contextlib import closing
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from imgfetch.errors import DocumentError, NotInStoreError, StoreCorruptError
from imgfetch.oci.descriptor import REF_NAME, Descriptor

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    from imgfetch.interfaces import Progress
    from imgfetch.oci.digest import Digest
    from imgfetch.oci.unverified import Unverified


class MemoryStore:
    """`ContentStore` and `ReferenceStore` of `imgfetch.interfaces`, without a disk."""

    def __init__(self) -> None:
        self._blobs: dict[Digest, bytes] = {}
        self._names: dict[str, Descriptor] = {}
        self._arriving: dict[Digest, Lock] = {}
        self._lock = Lock()

    def contains(self, descriptor: Descriptor) -> bool:
        """See `imgfetch.interfaces.ContentStore`."""
        blob = self._blobs.get(descriptor.digest)
        return blob is not None and len(blob) == descriptor.size

    def find(self, digest: Digest) -> Descriptor | None:
        """See `imgfetch.interfaces.ContentStore`."""
        blob = self._blobs.get(digest)
        return None if blob is None else Descriptor("", digest, len(blob))

    def require_space(self, descriptors: Iterable[Descriptor]) -> None:
        """See `imgfetch.interfaces.ContentStore`; memory is taken as it comes."""

    def ingest(self, content: Unverified, progress: Progress) -> None:
        """See `imgfetch.interfaces.ContentStore`."""
        descriptor = content.descriptor
        with self._lock:
            arriving = self._arriving.setdefault(descriptor.digest, Lock())
        with arriving:
            if self.contains(descriptor):
                progress.update(descriptor, "present", descriptor.size)
                return
            self._blobs[descriptor.digest] = _receive(content, progress)
        progress.update(descriptor, "done", descriptor.size)

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        """See `imgfetch.interfaces.ContentStore`."""
        if descriptor.size > limit:
            message = f"{descriptor.digest} is too large"
            raise DocumentError(
                message, expected=f"at most {limit} bytes", actual=f"{descriptor.size} bytes"
            )
        return self._blob(descriptor)

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """See `imgfetch.interfaces.ContentStore`."""
        return io.BytesIO(self._blob(descriptor))

    def discard(self, digest: Digest) -> None:
        """See `imgfetch.interfaces.ContentStore`."""
        self._blobs.pop(digest, None)

    def _blob(self, descriptor: Descriptor) -> bytes:
        blob = self._blobs.get(descriptor.digest)
        if blob is None:
            message = f"{descriptor.digest} is not in the store"
            raise NotInStoreError(message)
        if len(blob) != descriptor.size:
            message = f"stored content {descriptor.digest} has another size"
            raise StoreCorruptError(
                message, expected=f"{descriptor.size} bytes", actual=f"{len(blob)} bytes"
            )
        return blob

    def lookup(self, name: str) -> Descriptor | None:
        """See `imgfetch.interfaces.ReferenceStore`."""
        return self._names.get(name)

    def announced(self, digest: Digest) -> Descriptor | None:
        """See `imgfetch.interfaces.ReferenceStore`."""
        return next((one for one in self._names.values() if one.digest == digest), None)

    def tag(self, name: str, descriptor: Descriptor) -> None:
        """See `imgfetch.interfaces.ReferenceStore`."""
        self._names[name] = replace(descriptor, annotations={REF_NAME: name})

    def untag(self, name: str) -> Descriptor | None:
        """See `imgfetch.interfaces.ReferenceStore`."""
        return self._names.pop(name, None)

    def entries(self) -> list[tuple[str | None, Descriptor]]:
        """See `imgfetch.interfaces.ReferenceStore`."""
        return list(self._names.items())


def _receive(content: Unverified, progress: Progress) -> bytes:
    verifier = content.verifier()
    received = bytearray()
    progress.update(content.descriptor, "fetching", 0)
    with closing(content.chunks(0)) as chunks:
        for chunk in chunks:
            verifier.update(chunk)
            received += chunk
            progress.update(content.descriptor, "fetching", verifier.received)
    verifier.finish()
    return bytes(received)
