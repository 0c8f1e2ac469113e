"""Progress of a forked child, told in the process that shows it.

Two processes that draw on one terminal would overwrite each other's lines.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Generator

    from imgfetch.interfaces import Progress, Stage

_BLOCK = 65536


class Telling:
    """Progress in the child: a JSON line for each thing there is to tell.

    Args:
        pipe: to the process that shows it, which may have ended.
    """

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe

    def update(self, descriptor: Descriptor, stage: Stage, done: int) -> None:
        """See `imgfetch.interfaces.Progress`."""
        self._tell([descriptor.media_type, str(descriptor.digest), descriptor.size, stage, done])

    def warn(self, message: str) -> None:
        """See `imgfetch.interfaces.Progress`."""
        self._tell(message)

    def _tell(self, event: object) -> None:
        try:
            # One write, shorter than a pipe's buffer: lines of several children don't mix.
            self._pipe.write(json.dumps(event).encode() + b"\n")
        except BrokenPipeError:
            return


@contextmanager
def passing_on(pipe: BinaryIO, progress: Progress) -> Generator[None]:
    """Tell what a child tells for as long as the block takes, to the last line.

    Args:
        pipe: from the child, which has to be its only writer, and to end within the block.
        progress: told, by a thread of its own.

    Raises:
        Exception: what the progress raised, once the block has ended.
    """
    failures: list[Exception] = []

    def pass_on() -> None:
        with open(pipe.fileno(), "rb", closefd=False) as lines:
            try:
                for line in lines:
                    _tell(json.loads(line), progress)
            except Exception as failure:  # noqa: BLE001 - raised below, where somebody expects it
                failures.append(failure)
                # The child would wait for ever for room in the pipe.
                while lines.read(_BLOCK):
                    pass

    thread = threading.Thread(target=pass_on, name="telling")
    thread.start()
    try:
        yield
    finally:
        thread.join()
    for failure in failures:
        raise failure


def _tell(event: Any, progress: Progress) -> None:  # noqa: ANN401 - a JSON value
    if isinstance(event, str):
        progress.warn(event)
        return
    media_type, digest, size, stage, done = event
    progress.update(Descriptor(media_type, Digest.parse(digest), size), stage, done)
