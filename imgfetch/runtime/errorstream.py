"""Standard error of a runtime, which is the container's, without the runtime's own last words.

When runc fails it writes why to its log, and the same to standard error. It is told once,
by us, in the form that all errors have. So until the container has started, what arrives
is kept back, by a thread that passes everything on afterwards. A process would do as well,
but takes ten times as long to start. Linux refuses threads to those whose children will be
in another pid namespace, so it is started before the runtime is.
"""

from __future__ import annotations

import _thread
import os
import select

from imgfetch.fs.atomic import write_all
from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from imgfetch.lean.contextlib import ExitStack

_STDERR = 2
_PIECE = 65536
_PAUSE = 5
"""Milliseconds: how often to look whether the container runs, while something is kept back."""


class ErrorStream:
    """A pipe in place of this process's standard error, while a runtime is started.

    A context manager: at its end all is passed on, which is when the last process that
    was started with the pipe has closed it.
    """

    def __init__(self, has_started: Callable[[], bool]) -> None:
        """Nothing happens yet.

        Args:
            has_started: whether the container runs. What is written before is dropped if it
                never does.
        """
        self._has_started = has_started
        self._own = -1
        self._passed_on = _thread.allocate_lock()

    def __enter__(self) -> Self:
        """Put the pipe in the place of standard error."""
        read, write = os.pipe()
        self._own = os.dup(_STDERR)
        self._passed_on.acquire()
        _thread.start_new_thread(self._relay, (read, self._own))
        os.dup2(write, _STDERR)
        os.close(write)
        return self

    def give_back(self) -> None:
        """Standard error is this process's own again; what was started keeps the pipe."""
        os.dup2(self._own, _STDERR)

    def __exit__(self, *_: object) -> None:
        """Wait until all is passed on."""
        self.give_back()
        with self._passed_on:
            os.close(self._own)

    def _relay(self, read: int, write: int) -> None:
        try:
            write_all(write, self._keep_back(read))
            while piece := os.read(read, _PIECE):
                write_all(write, piece)
        except OSError:
            pass  # nobody reads: whoever writes next learns it from the broken pipe
        finally:
            os.close(read)
            self._passed_on.release()

    def _keep_back(self, read: int) -> bytes:
        """What is written before the container runs; nothing where it never does."""
        kept = os.read(read, _PIECE)
        poll = select.poll()
        poll.register(read, select.POLLIN)
        ended = not kept
        while not self._has_started():
            if ended:
                return b""
            if poll.poll(_PAUSE):
                piece = os.read(read, _PIECE)
                kept += piece
                ended = not piece
        return kept


def error_stream(
    stack: ExitStack, has_started: Callable[[], bool], *, tty: bool
) -> ErrorStream | None:
    """An `ErrorStream` for as long as a stack lasts; None for a terminal, which has no such."""
    return None if tty else stack.enter_context(ErrorStream(has_started))
