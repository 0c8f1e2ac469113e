"""Content from outside, before anybody may look at it."""

from __future__ import annotations

from imgfetch.lean.dataclasses import dataclass
from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.oci.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from imgfetch.oci.descriptor import Descriptor


@dataclass(frozen=True, slots=True)
class Unverified:
    """Content from outside. It has no ``read``: only a store's ``ingest`` takes it.

    What is only passed on, without being looked at, goes through `imgfetch.workflow.relay`.

    Attributes:
        descriptor: what it is said to be.
        chunks: opens a transfer from an offset in bytes and yields what follows.
            Closing the generator ends the transfer. A source that can't start
            in the middle still takes any offset, and skips.
        origin: where from, for errors; no secret in it.
        elsewhere: after a transfer that failed verification, whether its source has another
            place to fetch this from and will not use that one again.
    """

    descriptor: Descriptor
    chunks: Callable[[int], Generator[bytes, None, None]]
    origin: str
    elsewhere: Callable[[], bool] = lambda: False

    def verifier(self) -> Verifier:
        """What its bytes have to pass through; errors name where they came from."""
        return Verifier(self.descriptor, f"{self.origin}: {self.descriptor.digest}")
