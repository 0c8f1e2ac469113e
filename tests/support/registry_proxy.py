"""Proxies for one test, HTTP and SOCKS5, that connect to where the test says."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

Ports = Mapping[tuple[str, int], int]


@dataclass(slots=True)
class Proxy:
    """A running proxy.

    Attributes:
        port: its port.
        heads: the head of every request that reached it.
    """

    port: int
    heads: list[str] = field(default_factory=list)


@contextlib.contextmanager
def proxy(
    ports: Ports, *, password: str = "", tls: ssl.SSLContext | None = None
) -> Iterator[Proxy]:
    """Run an HTTP proxy until the block ends: CONNECT, and absolute URLs.

    Args:
        ports: the loopback port behind each host and port.
        password: the ``Proxy-Authorization`` that it wants, "" for none.
        tls: speak TLS.
    """

    def ask(running: Proxy, client: socket.socket) -> socket.socket | None:
        head, rest = _head(client)
        running.heads.append(head)
        if password and f"Proxy-Authorization: {password}" not in head:
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return None
        method, target, _ = head.split("\r\n")[0].split(" ")
        name = target if method == "CONNECT" else target.split("/")[2]
        host, _, port = name.partition(":")
        server = socket.create_connection(("127.0.0.1", ports[host, int(port or 80)]))
        if method == "CONNECT":
            client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        else:
            path = "/" + target.split("/", 3)[3]
            server.sendall(head.replace(target, path, 1).encode() + b"\r\n\r\n" + rest)
        return server

    with _running(ask, tls) as running:
        yield running


@contextlib.contextmanager
def socks_proxy(ports: Ports, *, password: str = "") -> Iterator[Proxy]:
    """Run a SOCKS5 proxy until the block ends; it remembers ``HOST:PORT`` of each connection.

    Args:
        ports: the loopback port behind each host and port.
        password: the ``USER:PASSWORD`` that it wants, "" for none.
    """

    def ask(running: Proxy, client: socket.socket) -> socket.socket | None:
        methods = _exactly(client, _exactly(client, 2)[1])
        wanted = 2 if password else 0
        client.sendall(bytes((5, wanted if wanted in methods else 255)))
        if password:
            user = _exactly(client, _exactly(client, 2)[1])
            word = _exactly(client, _exactly(client, 1)[0])
            right = f"{user.decode()}:{word.decode()}" == password
            client.sendall(bytes((1, not right)))
        kind = _exactly(client, 4)[3]
        raw = _exactly(client, 4 if kind == 1 else _exactly(client, 1)[0])
        host = socket.inet_ntoa(raw) if kind == 1 else raw.decode()
        port = int.from_bytes(_exactly(client, 2), "big")
        running.heads.append(f"{host}:{port}")
        if (host, port) not in ports:
            client.sendall(bytes((5, 4, 0, 1, 0, 0, 0, 0, 0, 0)))
            return None
        client.sendall(bytes((5, 0, 0, 3, 1)) + b"x\0\0")
        return socket.create_connection(("127.0.0.1", ports[host, port]))

    with _running(ask, None) as running:
        yield running


@contextlib.contextmanager
def _running(
    ask: Callable[[Proxy, socket.socket], socket.socket | None], tls: ssl.SSLContext | None
) -> Iterator[Proxy]:
    listener = socket.create_server(("127.0.0.1", 0))
    running = Proxy(listener.getsockname()[1])
    opened: list[socket.socket] = [listener]
    threads: list[threading.Thread] = []

    def serve(client: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError, KeyError):
            if tls is not None:
                client = tls.wrap_socket(client, server_side=True)
                opened.append(client)
            server = ask(running, client)
            if server is not None:
                opened.append(server)
                _copy_both_ways(client, server, threads)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
        client.close()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                opened.append(client)
                threads.append(threading.Thread(target=serve, args=(client,), daemon=True))
                threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield running
    finally:
        for connection in opened:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        accepting.join()
        for thread in threads:
            thread.join(10)


def _exactly(client: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        part = client.recv(count - len(received))
        if not part:
            raise ValueError
        received += part
    return received


def _head(client: socket.socket) -> tuple[str, bytes]:
    received = b""
    while b"\r\n\r\n" not in received:
        part = client.recv(65536)
        if not part:
            raise ValueError
        received += part
    head, _, rest = received.partition(b"\r\n\r\n")
    return head.decode(), rest


def _copy_both_ways(
    one: socket.socket, two: socket.socket, threads: list[threading.Thread]
) -> None:
    def copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := source.recv(65536):
                target.sendall(part)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    back = threading.Thread(target=copy, args=(two, one), daemon=True)
    threads.append(back)
    back.start()
    copy(one, two)
    back.join()
    two.close()
