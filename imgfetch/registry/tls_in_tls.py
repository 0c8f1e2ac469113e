"""TLS inside of another connection's TLS: an origin's, through a proxy that is spoken to by TLS.

The `ssl` module wraps sockets only, so the inner one is fed by hand.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from imgfetch.registry.wire import Stream

    T = TypeVar("T")

_RECORD = 32 << 10


class TlsInTls:
    """A `Stream`; speaks TLS over another one.

    Args:
        outer: the connection to the proxy, at the point where the origin answers.
        context: what certificates are accepted.
        host: the origin's name.

    Raises:
        OSError: the handshake failed.
    """

    def __init__(self, outer: Stream, context: ssl.SSLContext, host: str) -> None:
        self._outer = outer
        self._arrived = ssl.MemoryBIO()
        self._leaving = ssl.MemoryBIO()
        self._inner = context.wrap_bio(self._arrived, self._leaving, server_hostname=host)
        self._do(self._inner.do_handshake)

    def recv_into(self, buffer: memoryview, /) -> int:
        """See `Stream`."""
        try:
            received = self._do(lambda: self._inner.read(len(buffer)))
        except ssl.SSLZeroReturnError:
            return 0
        buffer[: len(received)] = received
        return len(received)

    def sendall(self, data: bytes, /) -> None:
        """See `Stream`."""
        rest = memoryview(data)
        while rest:
            part = rest[:_RECORD]
            rest = rest[self._do(lambda part=part: self._inner.write(part)) :]  # type: ignore[misc]  # no type is inferred for defaults

    def settimeout(self, value: float | None, /) -> None:
        """See `Stream`."""
        self._outer.settimeout(value)

    def fileno(self) -> int:
        """See `Stream`."""
        return self._outer.fileno()

    def close(self) -> None:
        """See `Stream`."""
        self._outer.close()

    def _do(self, action: Callable[[], T]) -> T:
        """Do something, moving bytes in and out as long as it waits for them."""
        while True:
            try:
                outcome = action()
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
            else:
                self._flush()
                return outcome

    def _flush(self) -> None:
        if leaving := self._leaving.read():
            self._outer.sendall(leaving)

    def _fill(self) -> None:
        block = bytearray(_RECORD)
        count = self._outer.recv_into(memoryview(block))
        if count:
            self._arrived.write(memoryview(block)[:count])
        else:
            self._arrived.write_eof()
