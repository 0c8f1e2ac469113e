"""Progress on stderr: plain lines or JSON lines, and nothing where nobody reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.cli import output
from imgfetch.oci import mediatype

if TYPE_CHECKING:
    from imgfetch.interfaces import Progress, Stage
    from imgfetch.oci.descriptor import Descriptor

_WORDS = {
    "present": "already here",
    "done": "fetched",
    "applied": "unpacked",
    "mounted": "mounted",
    "pushed": "pushed",
}


class SilentProgress:
    """Says nothing but warnings, and with `quiet` not even those."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet

    def update(self, descriptor: Descriptor, stage: Stage, done: int) -> None:
        """Say nothing."""

    def warn(self, message: str) -> None:
        """Pass a warning on."""
        if not self._quiet:
            output.warning(message)


class PlainProgress:
    """A line when something is finished: fit for logs."""

    def update(self, descriptor: Descriptor, stage: Stage, done: int) -> None:
        """Print a line for a stage that ends something."""
        word = _WORDS.get(stage)
        # Manifests and configs come with every image: only its layers say how far it is.
        if word is not None and mediatype.is_layer(descriptor.media_type):
            output.message(f"{descriptor.digest.short}: {word} ({output.human_size(done)})")

    def warn(self, message: str) -> None:
        """Print a warning."""
        output.warning(message)


class JsonProgress:
    """One JSON object a line: ``event``, ``digest``, ``stage``, ``done``, ``size``."""

    def update(self, descriptor: Descriptor, stage: Stage, done: int) -> None:
        """Print an event."""
        self._print(
            {
                "event": "progress",
                "digest": str(descriptor.digest),
                "stage": stage,
                "done": done,
                "size": descriptor.size,
            }
        )

    def warn(self, message: str) -> None:
        """Print a warning as an event."""
        self._print({"event": "warning", "message": message})

    @staticmethod
    def _print(event: dict[str, object]) -> None:
        import json

        output.message(json.dumps(event))


def choose(mode: str, *, quiet: bool) -> Progress:
    """The progress for ``--progress MODE`` and ``--quiet``."""
    if mode == "json":
        return JsonProgress()
    if quiet or mode == "none":
        return SilentProgress(quiet=quiet)
    return PlainProgress()
