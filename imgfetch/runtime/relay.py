"""A terminal for a container whose caller has none: ``-t`` in a script.

Runtimes insist on a terminal of the caller's to show the container's on. Here they get
one made for that, and a child copies what comes out of it to standard output.
"""

from __future__ import annotations

import fcntl
import os
import struct
import termios

from imgfetch.fs.atomic import write_all
from imgfetch.lean import contextlib
from imgfetch.lean.dataclasses import dataclass
from imgfetch.lean.typing import NoReturn
from imgfetch.runtime.child import keep_descriptors, reset_signals

_ROWS, _COLUMNS = 24, 80
_PIECE = 65536


@dataclass(frozen=True, slots=True)
class Relay:
    """A terminal and the process that copies its output.

    Attributes:
        terminal: the side for the runtime; it is closed by `release`.
        child: the copying process.
    """

    terminal: int
    child: int

    @classmethod
    def start(cls) -> Relay:
        """Make the terminal, of the size that terminals once had."""
        controller, terminal = os.openpty()
        size = struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)
        child = os.fork()
        if child == 0:
            _copy(controller)
        os.close(controller)
        return cls(terminal, child)

    def release(self) -> None:
        """Let the terminal go, and wait until all output has been copied."""
        os.close(self.terminal)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.child, 0)


def take(terminal: int) -> None:
    """Make a terminal this process's own, for its standard descriptors too."""
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    for standard in range(3):
        os.dup2(terminal, standard)


def _copy(controller: int) -> NoReturn:
    try:
        # A key pressed where the caller runs is for the caller.
        os.setpgid(0, 0)
        keep_descriptors({controller}, stdin=False)
        reset_signals(())
        # EIO is the end: nobody has the other side any more.
        with contextlib.suppress(OSError):
            while piece := os.read(controller, _PIECE):
                write_all(1, piece)
    finally:
        os._exit(0)
