"""Ways through a proxy to somebody else's port: ``CONNECT`` (RFC 9110 9.3.6) and SOCKS5.

SOCKS5 is RFC 1928, its passwords RFC 1929; only connecting is spoken. What comes out of
these is a socket at whose other end the origin is.
"""

from __future__ import annotations

import base64
import ipaddress
import re
import socket
from typing import TYPE_CHECKING

from imgfetch.registry.faults import ProxyError

if TYPE_CHECKING:
    from imgfetch.registry.proxies import Proxy
    from imgfetch.registry.url import Origin
    from imgfetch.registry.wire import Stream

_HEAD_LIMIT = 16 << 10
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})\b")
_CONNECTED = b"200"
_VERSION, _PASSWORD_VERSION = 5, 1
_NO_PASSWORD, _PASSWORD = 0, 2
_CONNECT = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_LENGTHS = {_IPV4: 4, _IPV6: 16}
_REPLIES = {
    1: "it failed",
    2: "it does not allow that",
    3: "the network can't be reached",
    4: "the host can't be reached",
    5: "the connection was refused",
    6: "it took too long",
    8: "it does not take such addresses",
}


def authorization(proxy: Proxy) -> dict[str, str]:
    """The header by which an HTTP proxy knows its user."""
    if not proxy.username:
        return {}
    raw = f"{proxy.username}:{proxy.password}".encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(raw).decode()}"}


def connect(stream: Stream, proxy: Proxy, origin: Origin) -> None:
    """Let a proxy pass a connection on.

    Args:
        stream: a connection to the proxy.
        proxy: which one.
        origin: where it is to lead to.

    Raises:
        ProxyError: it refused.
        OSError: no answer.
    """
    if proxy.socks:
        _Socks(stream).connect(proxy, origin)
    else:
        _http_connect(stream, proxy, origin)


def _http_connect(stream: Stream, proxy: Proxy, origin: Origin) -> None:
    target = f"{origin.host}:{origin.port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    lines += [f"{name}: {value}" for name, value in authorization(proxy).items()]
    stream.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
    head, byte = bytearray(), memoryview(bytearray(1))
    # No byte more than the head: what comes after it is the origin's.
    while not head.endswith(b"\r\n\r\n"):
        if len(head) == _HEAD_LIMIT or not stream.recv_into(byte):
            break
        head += byte
    found = _STATUS.match(head)
    if found is None or not head.endswith(b"\r\n\r\n"):
        message = "no answer in HTTP"
        raise ProxyError(message)
    if found[1] != _CONNECTED:
        message = f"HTTP {found[1].decode()}"
        raise ProxyError(message)


class _Socks:
    """A connection to a SOCKS5 proxy."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def connect(self, proxy: Proxy, origin: Origin) -> None:
        self._log_in(proxy)
        address = self._address(origin, remote=proxy.scheme == "socks5h")
        port = origin.port.to_bytes(2, "big")
        self._stream.sendall(bytes((_VERSION, _CONNECT, 0)) + address + port)
        version, reply, _, kind = self._receive(4)
        if version != _VERSION or reply:
            raise ProxyError(_REPLIES.get(reply, "no answer in SOCKS5"))
        # Where the proxy connects from: of no interest, but on the way.
        length = self._receive(1)[0] if kind == _NAME else _LENGTHS.get(kind, 0)
        self._receive(length + 2)

    def _log_in(self, proxy: Proxy) -> None:
        methods = (_NO_PASSWORD, _PASSWORD) if proxy.username else (_NO_PASSWORD,)
        self._stream.sendall(bytes((_VERSION, len(methods), *methods)))
        version, method = self._receive(2)
        if version != _VERSION:
            message = "no answer in SOCKS5"
            raise ProxyError(message)
        if method == _PASSWORD and proxy.username:
            fields = b"".join(map(_counted, (proxy.username, proxy.password)))
            self._stream.sendall(bytes((_PASSWORD_VERSION,)) + fields)
            _, refused = self._receive(2)
            if refused:
                message = "the name or the password is wrong"
                raise ProxyError(message)
        elif method != _NO_PASSWORD:
            message = "it asks for a name and a password"
            raise ProxyError(message)

    def _address(self, origin: Origin, *, remote: bool) -> bytes:
        try:
            ip = ipaddress.ip_address(origin.address)
        except ValueError:
            if remote:
                return bytes((_NAME,)) + _counted(origin.address)
            found = socket.getaddrinfo(origin.address, origin.port, type=socket.SOCK_STREAM)
            ip = ipaddress.ip_address(str(found[0][4][0]).partition("%")[0])
        return bytes((_IPV4 if ip.version == 4 else _IPV6,)) + ip.packed  # noqa: PLR2004 - IPv4

    def _receive(self, count: int) -> bytes:
        received = bytearray(count)
        done = 0
        while done < count:
            got = self._stream.recv_into(memoryview(received)[done:])
            if not got:
                message = "it hung up"
                raise ProxyError(message)
            done += got
        return bytes(received)


def _counted(text: str) -> bytes:
    raw = text.encode()[:255]
    return bytes((len(raw),)) + raw
