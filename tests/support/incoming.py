"""Content on its way into a store, which keeps its promises or breaks them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace

from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.unverified import Unverified

DATA = b"".join(number.to_bytes(4, "big") for number in range(25_000))
"""Some content of which no two parts are alike."""

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(slots=True)
class Incoming:
    """Some bytes, and what is said of them.

    Attributes:
        data: what arrives.
        descriptor: what was promised; the truth by default.
        step: how many bytes arrive at a time.
        offsets: where transfers began, in order.
        ended: how many transfers were ended properly.
        before_chunk: called with the offset of each chunk; raises to break the transfer.
    """

    data: bytes
    descriptor: Descriptor
    step: int = 4096
    offsets: list[int] = field(default_factory=list)
    ended: int = 0
    before_chunk: Callable[[int], None] = lambda _offset: None

    @classmethod
    def of(cls, data: bytes, *, step: int = 4096, media_type: str = LAYER) -> Incoming:
        """Content that is what it says."""
        return cls(data, Descriptor.of(data, media_type), step)

    def but(self, data: bytes) -> Incoming:
        """The same promise with other bytes behind it."""
        return replace(self, data=data, offsets=[], ended=0)

    @property
    def content(self) -> Unverified:
        """What a store takes."""
        return Unverified(self.descriptor, self._chunks, "test")

    def _chunks(self, offset: int) -> Generator[bytes, None, None]:
        self.offsets.append(offset)
        try:
            for start in range(offset, len(self.data), self.step):
                self.before_chunk(start)
                yield self.data[start : start + self.step]
        finally:
            self.ended += 1
