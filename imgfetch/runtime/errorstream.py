"""Standard error of a runtime, which is the container's, without the runtime's own last words.

When runc fails it writes why to its log, and the same to standard error. It is told once,
by us, in the form that all errors have. So until the container has started, what arrives
is kept back, by a process that passes everything on afterwards.
"""

from __future__ import annotations

import os
import select

from imgfetch.fs.atomic import write_all
from imgfetch.lean import contextlib
from imgfetch.lean.typing import TYPE_CHECKING, NoReturn
from imgfetch.runtime.child import keep_descriptors

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_STDERR = 2
_PIECE = 65536
_PAUSE = 5
"""Milliseconds: how often to look whether the container runs, while something is kept back."""


@contextlib.contextmanager
def without_last_words(has_started: Callable[[], bool]) -> Generator[None]:
    """Let processes started in this context write to standard error once a container runs.

    Args:
        has_started: whether it does. What was written before is dropped if it never does.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        _pass_on(read, has_started)
    os.close(read)
    own = os.dup(_STDERR)
    os.dup2(write, _STDERR)
    os.close(write)
    try:
        yield
    finally:
        os.dup2(own, _STDERR)
        os.close(own)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)


def _pass_on(read: int, has_started: Callable[[], bool]) -> NoReturn:
    try:
        # Nobody else may have the other end of the pipe open, nor locks.
        keep_descriptors({read}, stdin=False)
        kept = _keep_back(read, has_started)
        write_all(_STDERR, kept)
        while piece := os.read(read, _PIECE):
            write_all(_STDERR, piece)
    except OSError:
        pass  # nobody reads: whoever writes next learns it from the broken pipe
    finally:
        os._exit(0)


def _keep_back(read: int, has_started: Callable[[], bool]) -> bytes:
    """What is written before the container runs; nothing where it never does."""
    kept = os.read(read, _PIECE)
    poll = select.poll()
    poll.register(read, select.POLLIN)
    ended = not kept
    while not has_started():
        if ended:
            return b""
        if poll.poll(_PAUSE):
            piece = os.read(read, _PIECE)
            kept += piece
            ended = not piece
    return kept
