"""Unpacking layers while others are still on their way.

A child unpacks, for this process has threads that fetch. It waits for each layer until
the store has it, whole and verified, and gives up when this process does.
"""

from __future__ import annotations

import os
import select
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from imgfetch.errors import ImgfetchError, NotInStoreError
from imgfetch.snapshot.workers import Worker
from imgfetch.workflow.telling import Telling, passing_on

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from imgfetch.interfaces import BlobReader, ContentStore, Progress, Stage
    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.digest import Digest

# Between two looks for a layer; one takes much longer to unpack.
_PAUSE_MS = 5


@contextmanager
def unpacking(
    unpack: Callable[[BlobReader, Progress], None], store: ContentStore, progress: Progress
) -> Generator[Progress]:
    """Unpack in a child for as long as the block takes, and wait for its end.

    Args:
        unpack: is given where layers can be opened, and whom to tell how far it is; runs in
            the child, which may change its namespaces.
        store: where layers arrive.
        progress: told of transfers and of what is unpacked, by this process alone.

    Yields:
        Progress to tell in its place: it raises what the child has failed with.

    Raises:
        ImgfetchError: as ``unpack`` raised it.
    """
    alive, hold = _pipe()
    told, tell = _pipe()

    def work() -> None:
        hold.close()
        told.close()
        unpack(_Arriving(store, alive.fileno()), Telling(tell))

    with alive, hold, told, tell:
        worker = Worker.start(work)
        alive.close()
        tell.close()
        with passing_on(told, progress):
            try:
                yield _Watching(progress, worker)
                while worker.listen():
                    pass
            except _EndedError:
                worker.result()
                raise
            except BaseException:
                # Its staging directory is cleared away by whoever unpacks next.
                worker.end()
                raise
            worker.result()


def _pipe() -> tuple[BinaryIO, BinaryIO]:
    read, write = os.pipe()
    return open(read, "rb", buffering=0), open(write, "wb", buffering=0)


class _EndedError(ImgfetchError):
    """Unpacking has failed; how, its process tells."""


class _Arriving:
    """See `imgfetch.interfaces.BlobReader`: waits for what is not there yet.

    Args:
        store: where it arrives.
        alive: a descriptor that hangs up when nothing more is to come.
    """

    def __init__(self, store: ContentStore, alive: int) -> None:
        self._store = store
        self._poll = select.poll()
        self._poll.register(alive, select.POLLHUP)

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """See `imgfetch.interfaces.BlobReader`."""
        while not self._store.contains(descriptor):
            if self._poll.poll(_PAUSE_MS):
                message = f"layer {descriptor.digest} did not arrive"
                raise NotInStoreError(message)
        return self._store.open(descriptor)

    def discard(self, digest: Digest) -> None:
        """See `imgfetch.interfaces.BlobReader`."""
        self._store.discard(digest)


class _Watching:
    """Progress of transfers that are pointless once unpacking has failed."""

    def __init__(self, progress: Progress, worker: Worker) -> None:
        self._progress = progress
        self._worker = worker

    def update(self, descriptor: Descriptor, stage: Stage, done: int) -> None:
        """See `imgfetch.interfaces.Progress`.

        Raises:
            ImgfetchError: what unpacking has failed with.
        """
        # It can't have succeeded with this layer still on its way.
        if stage == "fetching" and done < descriptor.size and self._worker.has_news():
            message = "unpacking has ended"
            raise _EndedError(message)
        self._progress.update(descriptor, stage, done)

    def warn(self, message: str) -> None:
        """See `imgfetch.interfaces.Progress`."""
        self._progress.warn(message)
