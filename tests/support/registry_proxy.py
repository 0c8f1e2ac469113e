"""An HTTP proxy for one test: CONNECT and absolute URLs, to where the test says."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


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
def proxy(ports: Mapping[tuple[str, int], int], *, password: str = "") -> Iterator[Proxy]:
    """Run a proxy until the block ends.

    Args:
        ports: the loopback port behind each host and port.
        password: the ``Proxy-Authorization`` that it wants, "" for none.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    running = Proxy(listener.getsockname()[1])
    opened: list[socket.socket] = [listener]
    threads: list[threading.Thread] = []

    def serve(client: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError, KeyError):
            head, rest = _head(client)
            running.heads.append(head)
            if password and f"Proxy-Authorization: {password}" not in head:
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                return
            method, target, _ = head.split("\r\n")[0].split(" ")
            name = target if method == "CONNECT" else target.split("/")[2]
            host, _, port = name.partition(":")
            server = socket.create_connection(("127.0.0.1", ports[host, int(port or 80)]))
            opened.append(server)
            if method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                path = "/" + target.split("/", 3)[3]
                server.sendall(head.replace(target, path, 1).encode() + b"\r\n\r\n" + rest)
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
