"""HTTP servers that misbehave on purpose: what they answer is a table.

    ROUTES = {
        "GET /v2/": Answer(),
        "GET /v2/app/manifests/1": [Answer(503), Answer(200, body)],   # in turn; the last stays
        "GET /v2/app/blobs/*": lambda seen: Answer(206, …),            # decided by what was asked
    }

The server writes its answers byte for byte, so that it can lie about lengths, break off, drip
and stall. It remembers every request, headers and all: what reached whom is what most tests of
credentials are about.
"""

from __future__ import annotations

import contextlib
import fnmatch
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

_HEAD_LIMIT = 1 << 16


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that reached a server.

    Attributes:
        method: e.g. ``GET``.
        target: path and query as sent.
        headers: by lower-case name.
        body: the body.
        certificate: the client's certificate, where it showed one that was asked for.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    certificate: object = None

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def authorization(self) -> str | None:
        """The ``Authorization`` header."""
        return self.headers.get("authorization")

    def __str__(self) -> str:
        """``METHOD target``."""
        return f"{self.method} {self.target}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, and how it goes wrong.

    Attributes:
        status: the HTTP status.
        body: what is sent; an endless iterable for an endless body.
        headers: as sent; several values of one name as a sequence.
        length: ``Content-Length`` in place of the true one; None for none at all.
        chunked: send the body in chunks.
        cut: break the connection after so many bytes of the body.
        reset: break it with RST instead of FIN.
        drip: seconds between single bytes, of the head too.
        hold: seconds until anything is sent at all.
        raw: sent instead of everything above.
    """

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    headers: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    length: int | str | None = "true"
    chunked: bool = False
    cut: int | None = None
    reset: bool = False
    drip: float = 0.0
    hold: float = 0.0
    raw: bytes | None = None

    def head(self) -> bytes:
        """The status line and the headers."""
        lines = [f"HTTP/1.1 {self.status} As Scripted"]
        for name, value in self.headers.items():
            values = [value] if isinstance(value, str) else value
            lines += [f"{name}: {one}" for one in values]
        if self.chunked:
            lines.append("Transfer-Encoding: chunked")
        elif self.length == "true" and isinstance(self.body, bytes):
            lines.append(f"Content-Length: {len(self.body)}")
        elif self.length not in {"true", None}:
            lines.append(f"Content-Length: {self.length}")
        if not self.keeps_connection:
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    @property
    def keeps_connection(self) -> bool:
        """Whether another request may follow."""
        return self.cut is None and self.raw is None and (self.chunked or self.length == "true")


Responder = Answer | Sequence[Answer] | Callable[[Seen], Answer]
Routes = Mapping[str, Responder]


class ScriptedServer:
    """A server on a loopback port of the system's choosing.

    Args:
        routes: answers by ``METHOD path``, ``*`` allowed; the first that fits. A request that
            fits none is answered with 404 and remembered in `unexpected`.
        tls: speak TLS.
        address: the loopback address to listen on.
        greeting: say this to whoever connects, and hang up.
    """

    def __init__(
        self,
        routes: Routes,
        *,
        tls: ssl.SSLContext | None = None,
        address: str = "127.0.0.1",
        greeting: bytes | None = None,
    ) -> None:
        self.routes: dict[str, Responder] = dict(routes)
        self.seen: list[Seen] = []
        self.unexpected: list[Seen] = []
        self.connections = 0
        self._tls = tls
        self._greeting = greeting
        self._turns: dict[str, int] = {}
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._ended = threading.Event()
        self._socket = socket.create_server((address, 0), family=_family(address), backlog=64)
        self.port: int = self._socket.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        for thread in self._threads:
            thread.join(10)

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``."""
        return f"127.0.0.1:{self.port}"

    def asked(self, pattern: str = "*") -> list[Seen]:
        """The requests whose ``METHOD path`` fits a pattern, in order."""
        with self._lock:
            return [
                seen
                for seen in self.seen
                if fnmatch.fnmatchcase(f"{seen.method} {seen.path}", pattern)
            ]

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            with self._lock:
                self.connections += 1
                self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)
        current = connection
        try:
            if self._tls is not None:
                connection.settimeout(10)
                current = self._tls.wrap_socket(connection, server_side=True)
                with self._lock:
                    self._open.discard(connection)
                    self._open.add(current)
            current.settimeout(30)
            if self._greeting is not None:
                current.sendall(self._greeting)
                return
            while not self._ended.is_set():
                seen = _receive(current)
                if seen is None:
                    return
                if isinstance(current, ssl.SSLSocket):
                    seen = replace(seen, certificate=current.getpeercert() or None)
                if not self._answer(current, seen):
                    return
        except (OSError, ValueError):
            # The client went away, or spoke something else: tests look at what the client says.
            pass
        finally:
            with self._lock:
                self._open.discard(current)
            current.close()

    def _answer(self, connection: socket.socket, seen: Seen) -> bool:
        answer = self._choose(seen)
        if answer.hold and self._ended.wait(answer.hold):
            return False
        _send(connection, answer, self._ended, body=seen.method != "HEAD")
        return answer.keeps_connection

    def _choose(self, seen: Seen) -> Answer:
        key = f"{seen.method} {seen.path}"
        with self._lock:
            self.seen.append(seen)
            for pattern, responder in self.routes.items():
                if not fnmatch.fnmatchcase(key, pattern):
                    continue
                if isinstance(responder, Answer):
                    return responder
                if isinstance(responder, Sequence):
                    turn = self._turns.get(pattern, 0)
                    self._turns[pattern] = turn + 1
                    return responder[min(turn, len(responder) - 1)]
                found = responder
                break
            else:
                self.unexpected.append(seen)
                return Answer(404)
        return found(seen)


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _receive(connection: socket.socket) -> Seen | None:
    """The next request of a connection; None at its end."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(_HEAD_LIMIT)
        if not part or len(received) > _HEAD_LIMIT:
            return None
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    request, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = request.split(" ")
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if headers.get("transfer-encoding") == "chunked":
        body = _receive_chunks(connection, body)
    length = int(headers.get("content-length", 0))
    while len(body) < length:
        part = connection.recv(_HEAD_LIMIT)
        if not part:
            return None
        body += part
    return Seen(method, target, headers, body)


def _receive_chunks(connection: socket.socket, received: bytes) -> bytes:
    body = b""
    while True:
        while b"\r\n" not in received:
            received += connection.recv(_HEAD_LIMIT)
        size_line, _, received = received.partition(b"\r\n")
        size = int(size_line, 16)
        while len(received) < size + 2:
            received += connection.recv(_HEAD_LIMIT)
        body += received[:size]
        received = received[size + 2 :]
        if size == 0:
            return body


def _send(connection: socket.socket, answer: Answer, ended: threading.Event, *, body: bool) -> None:
    if answer.raw is not None:
        connection.sendall(answer.raw)
        return
    for part in _parts(answer, body=body):
        if answer.drip:
            for byte in part:
                connection.sendall(bytes([byte]))
                if ended.wait(answer.drip):
                    return
        else:
            connection.sendall(part)
        if ended.is_set():
            return
    if answer.reset:
        # Lingering for zero seconds makes close() send RST.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _parts(answer: Answer, *, body: bool) -> Iterator[bytes]:
    yield answer.head()
    if not body:
        return
    left = answer.cut
    content = [answer.body] if isinstance(answer.body, bytes) else answer.body
    for part in content:
        kept = part if left is None else part[:left]
        if kept:
            yield b"%x\r\n%s\r\n" % (len(kept), kept) if answer.chunked else kept
        if left is not None:
            left -= len(kept)
            if left <= 0:
                # What was sent has to arrive before the connection breaks.
                time.sleep(0.02)
                return
    if answer.chunked:
        yield b"0\r\n\r\n"
