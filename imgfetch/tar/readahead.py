"""Producing a stream's pieces in a thread of its own, a few pieces ahead of their use.

Decoders and hashes work without the interpreter's lock, and so do system calls: on two
processors the one side's work is hidden behind the other's.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

# Enough to bridge the large file on one side and the many small ones on the other.
_PIECES_AHEAD = 6


class ReadAhead:
    """An iterator over pieces that a thread gets from another iterable.

    What that raises is raised here. `close` ends the thread, in the middle as well: no
    thread is left when this object is.

    Args:
        pieces: iterated in the thread only.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self._queue: SimpleQueue[bytes | BaseException | None] = SimpleQueue()
        self._room = threading.Semaphore(_PIECES_AHEAD)
        self._closing = False
        self._finished = False
        # A daemon, so that an interpreter that ends without `close` does not wait for it.
        self._thread = threading.Thread(target=self._produce, name="readahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._finished:
            raise StopIteration
        piece = self._queue.get()
        self._room.release()
        if isinstance(piece, bytes):
            return piece
        self._finished = True
        if piece is None:
            raise StopIteration
        raise piece

    def close(self) -> None:
        """End the thread and wait until it has ended."""
        self._closing = True
        self._finished = True
        self._room.release()
        self._thread.join()

    def _produce(self) -> None:
        end: BaseException | None = None
        try:
            for piece in self._pieces:
                self._room.acquire()
                if self._closing:
                    return
                self._queue.put(piece)
        except BaseException as error:  # noqa: BLE001 - raised again in the other thread
            end = error
        self._queue.put(end)
