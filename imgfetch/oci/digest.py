"""Digests: ``algorithm:encoded``, and what a layer's stack of them means.

image-spec descriptor.md "Digests": only the registered algorithms are accepted,
spelled exactly as registered. An unknown algorithm is an error and never means
"not verified"; nothing reaches a path or URL before it has passed here
(CVE-2024-3727).
"""

from __future__ import annotations

from imgfetch.errors import InvalidDigestError
from imgfetch.lean import hashlib as lean_hashlib
from imgfetch.lean.dataclasses import dataclass
from imgfetch.lean.typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from collections.abc import Sequence
    from hashlib import _Hash

# image-spec descriptor.md "Registered algorithms": name to length in hex digits.
ENCODED_LENGTH = {"sha256": 64, "sha512": 128}

# Hashed in less time than it takes to load what hashes faster.
FEW_BYTES = 1 << 18

_HEX_DIGITS = "0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest of some raw bytes.

    Attributes:
        algorithm: ``sha256`` or ``sha512``.
        encoded: lower-case hexadecimal, of the algorithm's length.
    """

    algorithm: str
    encoded: str

    def __post_init__(self) -> None:
        """Refuse anything that a path or a URL could be made to misread."""
        length = ENCODED_LENGTH.get(self.algorithm)
        if length is None:
            raise _unaccepted(self.algorithm)
        if len(self.encoded) != length or self.encoded.strip(_HEX_DIGITS):
            message = f"invalid {self.algorithm} digest {self.encoded[:140]!r}"
            raise InvalidDigestError(
                message,
                expected=f"{length} lower-case hexadecimal digits",
            )

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Parse the wire form.

        Raises:
            InvalidDigestError: outside the grammar, or an algorithm not accepted.
        """
        algorithm, colon, encoded = text.partition(":")
        if not colon:
            message = f"invalid digest {text[:140]!r}"
            raise InvalidDigestError(message, expected="ALGORITHM:HEX")
        return cls(algorithm, encoded)

    @classmethod
    def of(cls, data: bytes, algorithm: str = "sha256") -> Digest:
        """The digest of ``data``."""
        few = len(data) <= FEW_BYTES
        return cls(algorithm, new_hash(algorithm, data, few=few).hexdigest())

    def __str__(self) -> str:
        """The wire form, ``algorithm:encoded``."""
        return f"{self.algorithm}:{self.encoded}"

    @property
    def short(self) -> str:
        """The first twelve digits, as people know them from docker."""
        return self.encoded[:12]


DiffID = NewType("DiffID", Digest)
"""Digest of a layer's uncompressed tar stream (image-spec config.md)."""

ChainID = NewType("ChainID", Digest)
"""Digest that names a stack of applied layers (image-spec config.md)."""


def new_hash(algorithm: str, data: bytes = b"", *, few: bool = False) -> _Hash:
    """A hash object for an accepted algorithm.

    Args:
        algorithm: its name.
        data: the first bytes.
        few: whether these and those that follow are `FEW_BYTES` at most.

    Raises:
        InvalidDigestError: the algorithm is not accepted.
    """
    if algorithm not in ENCODED_LENGTH:
        raise _unaccepted(algorithm)
    if few:
        return lean_hashlib.new(algorithm, data)
    # It loads OpenSSL, which costs milliseconds: only who hashes much pays.
    import hashlib

    return hashlib.new(algorithm, data)


def chain_id(diff_ids: Sequence[DiffID]) -> ChainID:
    """The ChainID of a non-empty stack of layers, the lowest first.

    image-spec config.md "Layer ChainID": ``ChainID(L₀) = DiffID(L₀)``;
    ``ChainID(L₀|…|Lₙ) = SHA256(ChainID(L₀|…|Lₙ₋₁) + " " + DiffID(Lₙ))``.
    """
    chain: Digest = diff_ids[0]
    for diff_id in diff_ids[1:]:
        chain = Digest.of(f"{chain} {diff_id}".encode())
    return ChainID(chain)


def _unaccepted(algorithm: str) -> InvalidDigestError:
    return InvalidDigestError(
        f"digest algorithm {algorithm[:40]!r} is not accepted",
        expected=" or ".join(ENCODED_LENGTH),
    )
