"""What a client's progress callback is told."""

from __future__ import annotations

from imgfetch.lean.dataclasses import dataclass
from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.interfaces import Stage
    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.digest import Digest


@dataclass(frozen=True, slots=True)
class BlobEvent:
    """How far a blob has come.

    Attributes:
        stage: ``waiting`` for another process that fetches it, ``fetching``, ``present`` (it
            was here), ``done`` (it is here, verified), ``applying`` and ``applied`` (a layer is
            unpacked), ``mounted`` (another repository of that registry had it), ``pushing``,
            ``pushed``.
        done: bytes that are through this stage.
        size: of the blob, in bytes.
        digest: of the blob.
        media_type: of the blob.
    """

    stage: Stage
    done: int
    size: int
    digest: Digest
    media_type: str


@dataclass(frozen=True, slots=True)
class StartedEvent:
    """A container starts now: all that it takes is there.

    Attributes:
        container_id: the container's.
        image: its name, as given.
        digest: of the image's manifest.
        argv: of the container's process.
    """

    container_id: str
    image: str
    digest: Digest
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WarningEvent:
    """Something that a person should know and that does not stop the work.

    Attributes:
        message: what.
    """

    message: str


Event = BlobEvent | StartedEvent | WarningEvent


class CallbackProgress:
    """Progress of the rooms below, as events for a callback.

    Args:
        callback: called from several threads at once; what it raises ends the work.
    """

    def __init__(self, callback: Callable[[Event], object]) -> None:
        self._callback = callback

    def update(self, descriptor: Descriptor, stage: Stage, done: int) -> None:
        """See `imgfetch.interfaces.Progress`."""
        event = BlobEvent(stage, done, descriptor.size, descriptor.digest, descriptor.media_type)
        self._callback(event)

    def warn(self, message: str) -> None:
        """See `imgfetch.interfaces.Progress`."""
        self._callback(WarningEvent(message))
