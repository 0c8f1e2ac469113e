"""One request, one response; what goes wrong in between is mapped here.

Nothing is added to what is asked for: no netrc, no cookies, no redirects, no environment.
Bodies are read raw: ``Content-Encoding`` would otherwise let a few bytes become gigabytes,
and digests are of what was sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.lean.dataclasses import dataclass
from imgfetch.registry import faults
from imgfetch.registry.connection import Connections, Connector, Route
from imgfetch.registry.dial import Guard
from imgfetch.registry.response import Response
from imgfetch.registry.url import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from http.client import HTTPResponse

    from imgfetch.registry.connection import Connection
    from imgfetch.registry.dial import Dialer
    from imgfetch.registry.proxies import Proxy
    from imgfetch.registry.settings import Timeouts
    from imgfetch.registry.tls import TlsPolicy
    from imgfetch.registry.url import Url

_SAFE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent with a request.

    Attributes:
        chunks: the bytes.
        length: how many they are.
    """

    chunks: Iterable[bytes]
    length: int

    @classmethod
    def of(cls, raw: bytes) -> Body:
        """Bytes at hand."""
        return cls((raw,) if raw else (), len(raw))

    def __iter__(self) -> Iterator[bytes]:
        """The bytes; can be asked for only once."""
        return iter(self.chunks)


_NOTHING = Body((), 0)


class Transport:
    """Sends requests on behalf of one registry; no state but connections.

    Args:
        named: where the registry is, see `Guard`.
        proxies: the proxies that may be used.
        policy: the TLS policy for an origin.
        proxy: the proxy for an origin, None for none.
        dialer: makes the connections.
        timeouts: see `Timeouts`.
        user_agent: the ``User-Agent`` of every request.
    """

    def __init__(
        self,
        named: Iterable[Origin],
        *,
        proxies: Iterable[Proxy],
        policy: Callable[[Origin], TlsPolicy],
        proxy: Callable[[Origin], Proxy | None],
        dialer: Dialer,
        timeouts: Timeouts,
        user_agent: str,
    ) -> None:
        addresses = frozenset((origin.address, origin.port) for origin in named)
        self._guard = Guard(dialer, addresses, frozenset(one.address for one in proxies))
        self._policy = policy
        self._proxy = proxy
        self._timeouts = timeouts
        self._user_agent = user_agent
        self._connections = Connections(Connector(self._guard, timeouts).connect)

    def send(
        self,
        method: str,
        url: Url,
        headers: Mapping[str, str],
        body: Body | None = None,
    ) -> Response:
        """Send a request and receive a response's head; nothing is followed or retried.

        Raises:
            NetworkError: no response.
            TLSError: the handshake or the certificate failed.
            RegistryError: the address is not one that a registry may lead to.
        """
        origin = url.origin
        route = self._route(origin)
        if route.proxy is not None:
            self._guard.check(origin.address, origin.port)
        sent = {"Accept-Encoding": "identity", "User-Agent": self._user_agent, **headers}
        content = body or _NOTHING
        if body is not None or method not in _SAFE:
            sent["Content-Length"] = str(content.length)
        try:
            connection, answer = self._exchange(route, method, url.target, sent, content)
        except faults.FOREIGN as error:
            raise faults.mapped(error, origin, proxied=route.proxy is not None) from error

        def done(reusable: bool) -> None:  # noqa: FBT001 - all there is to tell
            if reusable:
                self._connections.give_back(connection)
            else:
                connection.close()

        return Response(answer, url, done)

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()

    def _exchange(
        self, route: Route, method: str, target: str, headers: Mapping[str, str], body: Body
    ) -> tuple[Connection, HTTPResponse]:
        safe = method in _SAFE
        timeout = self._timeouts.read if safe else self._timeouts.commit
        while True:
            connection = self._connections.take(route)
            try:
                return connection, connection.exchange(method, target, headers, body, timeout)
            except ConnectionError:
                # A server may hang up just when a connection is used again: that says
                # nothing about a new one.
                stale = connection.used and safe
                connection.close()
                if not stale:
                    raise
            except BaseException:
                connection.close()
                raise

    def _route(self, origin: Origin) -> Route:
        proxy = self._proxy(origin)
        if proxy is None or proxy.scheme != "https":
            return Route(origin, self._policy(origin), proxy)
        theirs = self._policy(Origin("https", proxy.host, proxy.port))
        return Route(origin, self._policy(origin), proxy, theirs)
