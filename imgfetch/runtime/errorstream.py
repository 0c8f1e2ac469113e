"""Standard error of a runtime, which is the container's, without the runtime's own last words.

When runc fails it writes why to its log, and the same to standard error. It is told once,
by us, in the form that all errors have. So until the container has started, what arrives
is kept back, and everything is passed on afterwards: by a thread, which starts in a tenth of
the time of a process. Linux refuses threads to those whose children will be in another pid
namespace, so it is started before the runtime is. Where that is decided already, as when a
container's namespaces were joined, there is a process after all.
"""

from __future__ import annotations

import _thread
import os
import select

from imgfetch.fs.atomic import write_all
from imgfetch.lean.contextlib import suppress
from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.runtime.child import keep_descriptors

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

    Args:
        has_started: whether the container runs. What is written before is dropped if it
            never does.
    """

    def __init__(self, has_started: Callable[[], bool]) -> None:
        self._has_started = has_started
        self._own = -1
        self._process: int | None = None
        self._passed_on = _thread.allocate_lock()

    def __enter__(self) -> Self:
        """Put the pipe in the place of standard error."""
        read, write = os.pipe()
        self._own = os.dup(_STDERR)
        self._passed_on.acquire()
        try:
            _thread.start_new_thread(self._threaded, (read,))
        except RuntimeError:
            self._passed_on.release()
            self._process = self._forked(read)
        os.dup2(write, _STDERR)
        os.close(write)
        return self

    def give_back(self) -> None:
        """Standard error is this process's own again; what was started keeps the pipe."""
        os.dup2(self._own, _STDERR)

    def __exit__(self, *_: object) -> None:
        """Wait until all is passed on."""
        self.give_back()
        if self._process is not None:
            with suppress(ChildProcessError):
                os.waitpid(self._process, 0)
        with self._passed_on:
            os.close(self._own)

    def _threaded(self, read: int) -> None:
        try:
            self._relay(read, self._own)
        finally:
            self._passed_on.release()

    def _forked(self, read: int) -> int:
        child = os.fork()
        if child == 0:
            try:
                # Nobody else may have the other end of the pipe open, nor locks.
                keep_descriptors({read}, stdin=False)
                self._relay(read, _STDERR)
            finally:
                os._exit(0)
        os.close(read)
        return child

    def _relay(self, read: int, write: int) -> None:
        try:
            write_all(write, self._keep_back(read))
            while piece := os.read(read, _PIECE):
                write_all(write, piece)
        except OSError:
            pass  # nobody reads: whoever writes next learns it from the broken pipe
        finally:
            os.close(read)

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
