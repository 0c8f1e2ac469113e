"""What a detached container writes, kept in a file: a line of it in a line, with its time.

The format is that of the Kubernetes container runtime interface, which collectors of logs
know: time, stream, ``F`` for a whole line or ``P`` for a part of one, and the text.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from imgfetch.fs.atomic import PRIVATE_FILE, write_all
from imgfetch.runtime.child import keep_descriptors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
_PIECE = 65536
# A longer line is cut, so that one without end can't take all memory; as docker has it.
_LONGEST = 16384
_PAUSE = 0.05
_FIELDS = 4


class Entry(NamedTuple):
    """A line of output, or a part of one.

    Attributes:
        time: RFC 3339 with nanoseconds, in UTC: sorts as text.
        stream: ``stdout`` or ``stderr``.
        text: with its line break, if it was the line's end.
    """

    time: str
    stream: str
    text: bytes


@dataclass(frozen=True, slots=True)
class Recorder:
    """The process that writes a container's output down.

    Attributes:
        child: its id.
    """

    child: int

    @classmethod
    def start(cls, path: str) -> Recorder:
        """Have this process's standard output and error, and its children's, written down.

        Args:
            path: of the file, which must not be there yet.

        Raises:
            OSError: it can't be made.
        """
        file = os.open(path, _NEW, PRIVATE_FILE)
        output, output_write = os.pipe()
        errors, errors_write = os.pipe()
        child = os.fork()
        if child == 0:
            _record({output: _Stream("stdout"), errors: _Stream("stderr")}, file)
        for write, standard in ((output_write, 1), (errors_write, 2)):
            os.dup2(write, standard)
            os.close(write)
        for descriptor in (output, errors, file):
            os.close(descriptor)
        return cls(child)

    def release(self) -> None:
        """Let go, and wait until everything is written down."""
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.child, 0)


class _Stream:
    """What was read of one stream and is no whole line yet."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rest = b""

    def take(self, piece: bytes) -> bytes:
        """The lines for the file that a piece completes; an empty piece is the end."""
        *lines, rest = (self._rest + piece).split(b"\n")
        prefix = f"{_now()} {self._name}".encode()
        done = b"".join(b"%s F %s\n" % (prefix, line) for line in lines)
        while len(rest) > _LONGEST or (rest and not piece):
            done += b"%s P %s\n" % (prefix, rest[:_LONGEST])
            rest = rest[_LONGEST:]
        self._rest = rest
        return done


def _record(streams: dict[int, _Stream], file: int) -> NoReturn:
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        # Nobody else may have the other ends of the pipes open, nor locks.
        keep_descriptors({*streams, file}, stdin=False)
        os.dup2(0, 1)
        os.dup2(0, 2)
        poll = select.poll()
        for descriptor in streams:
            poll.register(descriptor, select.POLLIN)
        while streams:
            for descriptor, _ in poll.poll():
                piece = os.read(descriptor, _PIECE)
                # On a full disk the container goes on, and what it says is lost.
                with contextlib.suppress(OSError):
                    write_all(file, streams[descriptor].take(piece))
                if not piece:
                    poll.unregister(descriptor)
                    del streams[descriptor]
    finally:
        os._exit(0)


def entries(file: BinaryIO, *, is_over: Callable[[], bool] | None = None) -> Iterator[Entry]:
    """What a file of output holds, the oldest first.

    Args:
        file: opened for reading.
        is_over: whether nothing more is to come; None not to wait for more at all.
    """
    rest = b""
    while True:
        # Asked before looking: what was written until then is found.
        over = is_over is None or is_over()
        while piece := file.read(_PIECE):
            *lines, rest = (rest + piece).split(b"\n")
            yield from filter(None, map(_entry, lines))
        if over:
            return
        time.sleep(_PAUSE)


def _entry(line: bytes) -> Entry | None:
    fields = line.split(b" ", _FIELDS - 1)
    if len(fields) < _FIELDS:  # the disk was full in the middle of it
        return None
    moment, stream, tag, text = fields
    return Entry(
        moment.decode("ascii", "replace"),
        stream.decode("ascii", "replace"),
        text if tag == b"P" else text + b"\n",
    )


def format_time(nanoseconds: int) -> str:
    """A time since the epoch as in `Entry`."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09}Z"


def _now() -> str:
    return format_time(time.time_ns())
