"""The bytes of one connection: plain or TLS, never too slow, in pieces that are worth their while.

A TLS record has 16 KiB at most, and each one that is passed on by itself costs its hashing,
its writing and its reporting. So what is known to be a long body is collected into large pieces
here, before anybody looks at it.
"""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.registry.settings import Timeouts

# Heads and chunk sizes are read through it.
_BUFFER = 16 << 10
# A slow line's bytes are not held back for longer than that.
_COLLECT_SECONDS = 0.1


class Stream(Protocol):
    """Of a socket what is needed here: a plain one, a TLS one, or TLS within TLS."""

    def recv_into(self, buffer: memoryview, /) -> int:
        """Receive some bytes; 0 at the end."""
        ...

    def sendall(self, data: bytes, /) -> None:
        """Send all of it."""
        ...

    def settimeout(self, value: float | None, /) -> None:
        """How long one receive or send may take, in seconds."""
        ...

    def fileno(self) -> int:
        """The descriptor below it all."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class TooSlowError(TimeoutError):
    """Bytes came, and too few of them."""


class Pace:
    """A lower limit on the speed of one transfer, counted in time spent waiting."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._window = timeouts.stall_window
        self._minimum = timeouts.stall_bytes
        self._waited = 0.0
        self._received = 0

    def restart(self) -> None:
        """Begin anew, with the next request of a connection."""
        self._waited = 0.0
        self._received = 0

    def count(self, received: int, seconds: float) -> None:
        """Account for one receive.

        Raises:
            TooSlowError: too little came for too long.
        """
        self._waited += seconds
        self._received += received
        if self._waited >= self._window:
            if received and self._received < self._minimum:
                message = f"{self._received} bytes in {self._waited:.0f} seconds"
                raise TooSlowError(message)
            self.restart()


class Wire:
    """What `http.client` takes for a socket.

    Args:
        stream: the connection.
        timeouts: see `Timeouts`.

    Attributes:
        collecting: whether every reader wants as many bytes as it asks for, and knows that
            they are to come.
    """

    def __init__(self, stream: Stream, timeouts: Timeouts) -> None:
        self.collecting = False
        self._stream = stream
        self._pace = Pace(timeouts)
        self._timeout = timeouts.read
        self._failure: OSError | None = None
        # As with sockets, a response outlives the connection that it came by.
        self._users = 1

    def begin(self, timeout: float) -> None:
        """Begin with a request.

        Args:
            timeout: seconds that a single send or receive may take.
        """
        self.collecting = False
        self._pace.restart()
        self._timeout = timeout
        self._stream.settimeout(timeout)

    def fileno(self) -> int:
        """See `Stream`."""
        return self._stream.fileno()

    def sendall(self, data: bytes) -> None:
        """See `Stream`."""
        self._stream.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - as sockets have it
        """A file to read what arrives from."""
        self._users += 1
        return io.BufferedReader(_Incoming(self.receive, self.close), _BUFFER)

    def close(self) -> None:
        """End one use of it; the last one ends the connection."""
        self._users -= 1
        if self._users == 0:
            self._stream.close()

    def receive(self, buffer: memoryview) -> int:
        """Receive into a buffer: something, or as much as it takes while `collecting`.

        Raises:
            OSError: broken, or too slow. What came before is given first.
        """
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        received = self._receive(buffer)
        if received and self.collecting:
            received += self._collect(buffer[received:])
        return received

    def _receive(self, buffer: memoryview) -> int:
        before = time.monotonic()
        count = self._stream.recv_into(buffer)
        self._pace.count(count, time.monotonic() - before)
        return count

    def _collect(self, buffer: memoryview) -> int:
        """Receive what comes within a moment; what has come is not kept back for what may not."""
        collected, until = 0, time.monotonic() + _COLLECT_SECONDS
        self._stream.settimeout(_COLLECT_SECONDS)
        try:
            while collected < len(buffer) and time.monotonic() < until:
                count = self._receive(buffer[collected:])
                if not count:
                    break
                collected += count
        except TooSlowError as error:
            self._failure = error
        except TimeoutError:
            # Nothing more for now, which is for the next receive to wait for.
            self._pace.count(0, _COLLECT_SECONDS)
        except OSError as error:
            # Told after what has come.
            self._failure = error
        finally:
            self._stream.settimeout(self._timeout)
        return collected


class _Incoming(io.RawIOBase):
    """What arrives at a wire, as a file."""

    def __init__(self, receive: Callable[[memoryview], int], done: Callable[[], None]) -> None:
        self._receive = receive
        self._done = done

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - typeshed's type has no name at run time
        return self._receive(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._done()
