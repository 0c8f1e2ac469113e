"""Verification of a stream against the size and digest it was promised with.

image-spec descriptor.md "Verification": size before digest, so that a body that
never ends is given up after one byte too many.
"""

from __future__ import annotations

from imgfetch.errors import DigestMismatchError, SizeMismatchError
from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.oci.digest import FEW_BYTES, Digest, new_hash

if TYPE_CHECKING:
    from imgfetch.oci.descriptor import Descriptor


class Verifier:
    """Checks bytes as they pass.

    Args:
        descriptor: what was promised.
        subject: what the bytes are, for the error, e.g. ``layer sha256:…``.
    """

    def __init__(self, descriptor: Descriptor, subject: str | None = None) -> None:
        self._descriptor = descriptor
        self._subject = subject or f"content {descriptor.digest}"
        few = descriptor.size <= FEW_BYTES
        self._hash = new_hash(descriptor.digest.algorithm, few=few)
        self.received = 0

    def update(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes.

        Raises:
            SizeMismatchError: more bytes than promised.
        """
        self.received += len(chunk)
        if self.received > self._descriptor.size:
            message = f"{self._subject} is longer than its descriptor says"
            raise SizeMismatchError(message, expected=f"{self._descriptor.size} bytes")
        self._hash.update(chunk)

    def finish(self) -> None:
        """Compare the whole.

        Raises:
            SizeMismatchError: fewer bytes than promised.
            DigestMismatchError: other bytes than promised.
        """
        if self.received != self._descriptor.size:
            message = f"{self._subject} is shorter than its descriptor says"
            raise SizeMismatchError(
                message,
                expected=f"{self._descriptor.size} bytes",
                actual=f"{self.received} bytes",
            )
        expected = self._descriptor.digest
        actual = Digest(expected.algorithm, self._hash.hexdigest())
        if actual != expected:
            message = f"{self._subject} failed verification"
            raise DigestMismatchError(message, expected=expected, actual=actual)


def verify(descriptor: Descriptor, raw: bytes, subject: str | None = None) -> bytes:
    """Return ``raw`` if it is what the descriptor promises.

    Raises:
        SizeMismatchError: of another length.
        DigestMismatchError: of another digest.
    """
    verifier = Verifier(descriptor, subject)
    verifier.update(raw)
    verifier.finish()
    return raw
