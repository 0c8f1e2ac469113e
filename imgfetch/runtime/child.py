"""What a forked child does before it executes another program."""

from __future__ import annotations

import os

from imgfetch.lean import contextlib, signal
from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

# Python ignores these two, and what is ignored stays so in programs executed.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_FIRST_FREE = 3


def keep_descriptors(keep: Collection[int], *, stdin: bool) -> None:
    """Close all descriptors but the standard ones and some others.

    Args:
        keep: those to keep; close-on-exec is left as it is.
        stdin: whether standard input is kept; else there is nothing to read.
    """
    if not stdin:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for name in os.listdir("/proc/self/fd"):
        descriptor = int(name)
        if descriptor >= _FIRST_FREE and descriptor not in keep:
            with contextlib.suppress(OSError):  # the listing's own is closed by now
                os.close(descriptor)


def reset_signals(mask: Iterable[int]) -> None:
    """Have signals do what they do by default, and block only those given."""
    for number in _IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
