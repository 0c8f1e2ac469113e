"""Connections to origins, kept for the next request: made, used, given back.

`http.client` writes requests and reads answers; which address, which proxy and which
certificates is decided here.
"""

from __future__ import annotations

import select
import threading
from http.client import HTTPConnection
from typing import TYPE_CHECKING, cast

from imgfetch.lean.dataclasses import dataclass
from imgfetch.registry import tunnel
from imgfetch.registry.faults import ConnectTimeoutError, ProxyError
from imgfetch.registry.wire import Wire

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Iterable, Mapping
    from http.client import HTTPResponse

    from imgfetch.registry.dial import Guard
    from imgfetch.registry.proxies import Proxy
    from imgfetch.registry.settings import Timeouts
    from imgfetch.registry.tls import TlsPolicy
    from imgfetch.registry.url import Origin
    from imgfetch.registry.wire import Stream

_IDLE_LIMIT = 32
# OpenSSL's ways to say that an authority is not known.
_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})


@dataclass(frozen=True, slots=True)
class Route:
    """How an origin is reached; what goes one way is never used for another.

    Attributes:
        origin: who.
        policy: which certificates are accepted.
        proxy: through whom; None for directly.
        proxy_policy: the same of a proxy that is spoken to by TLS.
    """

    origin: Origin
    policy: TlsPolicy
    proxy: Proxy | None = None
    proxy_policy: TlsPolicy | None = None

    @property
    def asks_proxy(self) -> bool:
        """Whether requests go to a proxy that reads them, and passes them on."""
        proxied = self.proxy is not None and not self.proxy.socks
        return proxied and self.origin.scheme == "http"


class Connection:
    """One connection, for one request at a time.

    Args:
        route: where it leads.
        wire: its bytes.

    Attributes:
        used: whether there was an answer by it.
    """

    def __init__(self, route: Route, wire: Wire) -> None:
        self.route = route
        self.used = False
        self._wire = wire
        self._http = HTTPConnection(route.origin.address, route.origin.port)
        self._http.auto_open = 0
        self._http.sock = cast("socket.socket", wire)

    def exchange(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Iterable[bytes],
        timeout: float,
    ) -> HTTPResponse:
        """Send a request and receive the answer's head.

        Raises:
            OSError: broken.
            HTTPException: an answer that can't be understood.
            ValueError: a header that can't be sent.
        """
        self._wire.begin(timeout)
        origin, proxy = self.route.origin, self.route.proxy
        absolute = f"{origin}{target}" if self.route.asks_proxy else target
        self._http.putrequest(method, absolute, skip_host=True, skip_accept_encoding=True)
        self._http.putheader("Host", origin.netloc)
        if self.route.asks_proxy and proxy is not None:
            headers = {**headers, **tunnel.authorization(proxy)}
        for name, value in headers.items():
            self._http.putheader(name, value)
        try:
            self._http.endheaders()
            for part in body:
                self._http.send(part)
        except BrokenPipeError:
            # Whoever hangs up in the middle of a request may have said why.
            pass
        answer = self._http.getresponse()
        self.used = True
        # Now it is known how much is to come, and that all of it is wanted.
        self._wire.collecting = bool(answer.length) and not answer.chunked
        return answer

    def is_quiet(self) -> bool:
        """Whether it can be used again: nothing came unasked, not even the end."""
        try:
            poll = select.poll()
            poll.register(self._wire.fileno(), select.POLLIN)
            return not poll.poll(0)
        except (OSError, ValueError):
            return False

    def close(self) -> None:
        """End it."""
        self._http.close()


class Connector:
    """Makes connections.

    Args:
        guard: dials.
        timeouts: see `Timeouts`.
    """

    def __init__(self, guard: Guard, timeouts: Timeouts) -> None:
        self._guard = guard
        self._timeouts = timeouts
        self._contexts: dict[TlsPolicy, ssl.SSLContext] = {}
        self._looking_up = True
        self._lock = threading.Lock()

    def connect(self, route: Route) -> Connection:
        """Make a connection.

        Raises:
            OSError: no connection.
            RegistryError: the address is not one that a registry may lead to.
        """
        looking_up = self._looking_up and route.policy.system is None
        try:
            return Connection(route, Wire(self._stream(route), self._timeouts))
        except TimeoutError as error:
            raise ConnectTimeoutError(*error.args) from error
        except OSError as error:
            # What ssl raises when it does not like a certificate has such a code.
            if not looking_up or getattr(error, "verify_code", None) not in _UNKNOWN_AUTHORITY:
                raise
        self._stop_looking_up()
        return self.connect(route)

    def _stream(self, route: Route) -> Stream:
        origin, proxy = route.origin, route.proxy
        stream = self._dial(origin, proxy)
        try:
            if proxy is not None:
                if route.proxy_policy is not None:
                    stream = self._secured(stream, route.proxy_policy, proxy.host)
                if not route.asks_proxy:
                    tunnel.connect(stream, proxy, origin)
            if origin.scheme == "https":
                stream = self._secured(stream, route.policy, origin.address)
        except BaseException:
            stream.close()
            raise
        return stream

    def _dial(self, origin: Origin, proxy: Proxy | None) -> Stream:
        timeout = self._timeouts.connect
        if proxy is None:
            return self._guard.dial(origin.address, origin.port, timeout)
        try:
            return self._guard.dial(proxy.host, proxy.port, timeout)
        except TimeoutError:
            raise
        except OSError as error:
            message = f"{proxy.host}: {error.strerror}"
            raise ProxyError(message) from error

    def _secured(self, stream: Stream, policy: TlsPolicy, host: str) -> Stream:
        import socket

        context = self._context(policy)
        # A name's last dot is for resolvers: certificates don't have it.
        name = host.removesuffix(".")
        if type(stream) is socket.socket:
            return context.wrap_socket(stream, server_hostname=name)
        from imgfetch.registry.tls_in_tls import TlsInTls

        return TlsInTls(stream, context, name)

    def _context(self, policy: TlsPolicy) -> ssl.SSLContext:
        # Reading the system's authorities takes a while: once, and only where TLS is spoken.
        with self._lock:
            if policy not in self._contexts:
                self._contexts[policy] = policy.context(looking_up=self._looking_up)
            return self._contexts[policy]

    def _stop_looking_up(self) -> None:
        """Read all authorities from now on: the one that is wanted may be in the file alone."""
        with self._lock:
            if self._looking_up:
                self._looking_up = False
                self._contexts.clear()


class Connections:
    """Connections that wait for their next request.

    Args:
        connect: makes new ones.
    """

    def __init__(self, connect: Callable[[Route], Connection]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._idle: dict[Route, list[Connection]] = {}

    def take(self, route: Route) -> Connection:
        """A connection that nobody else uses.

        Raises:
            OSError: none can be made.
        """
        while True:
            with self._lock:
                idle = self._idle.get(route)
                found = idle.pop() if idle else None
            if found is None:
                return self._connect(route)
            if found.is_quiet():
                return found
            found.close()

    def give_back(self, connection: Connection) -> None:
        """Keep a connection whose last answer was read to its end."""
        with self._lock:
            idle = self._idle.setdefault(connection.route, [])
            if len(idle) < _IDLE_LIMIT:
                idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """End those that wait."""
        with self._lock:
            kept = [connection for idle in self._idle.values() for connection in idle]
            self._idle.clear()
        for connection in kept:
            connection.close()
