"""Progress on stderr: bars, plain lines or JSON lines, and nothing where nobody reads."""

from __future__ import annotations

import os
import sys
from _thread import allocate_lock

from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.oci import mediatype

if TYPE_CHECKING:
    from imgfetch.cli.bars import Bars
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
            _warn(message)


class PlainProgress:
    """A line when something is finished: fit for logs."""

    def update(self, descriptor: Descriptor, stage: Stage, done: int) -> None:
        """Print a line for a stage that ends something."""
        word = _WORDS.get(stage)
        # Manifests and configs come with every image: only its layers say how far it is.
        if word is not None and mediatype.is_layer(descriptor.media_type):
            from imgfetch.cli import output

            output.message(f"{descriptor.digest.short}: {word} ({output.human_size(done)})")

    def warn(self, message: str) -> None:
        """Print a warning."""
        _warn(message)


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

        from imgfetch.cli import output

        output.message(json.dumps(event))


class TerminalProgress:
    """Bars on a terminal, once something is on its way; `rich`, which draws them, is slow to load.

    An image that is here already takes no time, and nothing is drawn for it.
    """

    def __init__(self) -> None:
        self._bars: Bars | None = None
        # threading's own, without the milliseconds that importing it takes.
        self._lock = allocate_lock()
        self._before: list[tuple[Descriptor, Stage, int]] = []

    def update(self, descriptor: Descriptor, stage: Stage, done: int) -> None:
        """Draw a layer's line again."""
        if not mediatype.is_layer(descriptor.media_type):
            return
        with self._lock:
            if self._bars is None and stage == "present":
                self._before.append((descriptor, stage, done))
                return
            bars = self._bars or self._begin()
        bars.update(descriptor, stage, done)

    def warn(self, message: str) -> None:
        """Print a warning above the bars."""
        if self._bars is None:
            _warn(message)
        else:
            self._bars.warn(message)

    def _begin(self) -> Bars:
        from imgfetch.cli.bars import Bars

        self._bars = Bars()
        for descriptor, stage, done in self._before:
            self._bars.update(descriptor, stage, done)
        return self._bars


def choose(mode: str, *, quiet: bool) -> Progress:
    """The progress for ``--progress MODE`` and ``--quiet``."""
    if mode == "json":
        return JsonProgress()
    if quiet or mode == "none":
        return SilentProgress(quiet=quiet)
    if mode == "tty" or (mode == "auto" and _can_draw()):
        return TerminalProgress()
    return PlainProgress()


def _warn(message: str) -> None:
    from imgfetch.cli import output  # few commands warn

    output.warning(message)


def _can_draw() -> bool:
    """Whether standard error is a terminal whose cursor moves."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in {"dumb", "unknown"}
