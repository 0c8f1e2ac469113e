"""Blobs of the store on their way out, checked once more.

They were verified when they arrived; since then a disk may have changed them, and whoever
gets an archive has no other copy.
"""

from __future__ import annotations

from imgfetch.errors import StoreCorruptError, StoreError, VerificationError
from imgfetch.lean.contextlib import suppress
from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.oci.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.interfaces import ContentStore
    from imgfetch.oci.descriptor import Descriptor

_CHUNK = 1 << 20


def read_verified(store: ContentStore, descriptor: Descriptor) -> Iterator[bytes]:
    """A blob in pieces; the last one comes when all of them are known to be right.

    Raises:
        NotInStoreError: not there.
        StoreCorruptError: damaged; it was discarded, so that it is fetched anew.
    """
    verifier = Verifier(descriptor)
    try:
        with store.open(descriptor) as blob:
            last = b""
            while chunk := blob.read(_CHUNK):
                verifier.update(chunk)
                if last:
                    yield last
                last = chunk
        verifier.finish()
    except (VerificationError, OSError) as damage:
        with suppress(StoreError):
            store.discard(descriptor.digest)
        message = f"{descriptor.digest} was damaged in the store"
        raise StoreCorruptError(
            message,
            expected=descriptor.digest,
            actual=getattr(damage, "actual", None) or str(damage),
            hint="run the command again, online, to fetch it anew",
        ) from damage
    yield last
