"""One request, one response, by requests' adapter; what it raises is mapped here.

Of requests only the adapter is used, since its sessions do what must not happen here:
they read netrc (and let it replace our own header), keep cookies, and read a redirect's
whole body into memory even with redirects off. Bodies are read raw: ``Content-Encoding``
would otherwise let a few bytes become gigabytes, and digests are of what was sent.
"""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from imgfetch.registry import faults
from imgfetch.registry.dial import Guard, Pace, PacedSocket, PacedTlsSocket
from imgfetch.registry.response import Response

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from imgfetch.registry.dial import Dialer
    from imgfetch.registry.settings import Timeouts
    from imgfetch.registry.tls import TlsPolicy
    from imgfetch.registry.url import Origin, Url

_POOL_SIZE = 32


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


class Transport:
    """Sends requests on behalf of one registry; no state but connections.

    Args:
        named: where the registry is, see `Guard`.
        proxies: the proxies that may be used.
        policy: the TLS policy for an origin.
        proxy: the proxy's URL for an origin, None for none.
        dialer: makes the connections.
        timeouts: see `Timeouts`.
        user_agent: the ``User-Agent`` of every request.
    """

    def __init__(
        self,
        named: Iterable[Origin],
        *,
        proxies: Iterable[Origin],
        policy: Callable[[Origin], TlsPolicy],
        proxy: Callable[[Origin], str | None],
        dialer: Dialer,
        timeouts: Timeouts,
        user_agent: str,
    ) -> None:
        self._guard = Guard(dialer, _addresses(named), _addresses(proxies))
        self._policy = policy
        self._proxy = proxy
        self._timeouts = timeouts
        self._user_agent = user_agent
        self._adapters: dict[TlsPolicy, _Adapter] = {}
        self._lock = threading.Lock()

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
        proxy = self._proxy(origin)
        if proxy is not None:
            self._guard.check(origin.address, origin.port)
        request = PreparedRequest()
        sent = {"Accept-Encoding": "identity", "User-Agent": self._user_agent, **headers}
        reading = method in {"GET", "HEAD"}
        answer_in = self._timeouts.read if reading else self._timeouts.commit
        timeouts = (self._timeouts.connect, answer_in)
        try:
            request.prepare(method=method, url=url.wire, headers=sent)
            # Preparing quotes anew, which can break the signature of a presigned URL, and
            # decides by the body's type how to send it.
            request.url = url.wire
            if body is not None:
                request.body = body  # type: ignore[assignment]  # the types leave iterables out
                request.headers["Content-Length"] = str(body.length)
            answer = self._adapter(origin).send(
                request,
                stream=True,
                timeout=timeouts,
                proxies={origin.scheme: proxy} if proxy is not None else {},
            )
        except faults.FOREIGN as error:
            failure = faults.mapped(error, origin, proxied=proxy is not None)
            raise failure from faults.root(error)
        return Response(answer, url, head=method == "HEAD")

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for adapter in self._adapters.values():
                adapter.close()
            self._adapters.clear()

    def _adapter(self, origin: Origin) -> _Adapter:
        policy = self._policy(origin)
        with self._lock:
            adapter = self._adapters.get(policy)
            if adapter is None:
                adapter = _Adapter(policy, self._guard, self._timeouts)
                self._adapters[policy] = adapter
            return adapter


def _addresses(origins: Iterable[Origin]) -> frozenset[tuple[str, int]]:
    return frozenset((origin.address, origin.port) for origin in origins)


class _Adapter(HTTPAdapter):
    """requests' adapter with our connections and one TLS policy."""

    def __init__(self, policy: TlsPolicy, guard: Guard, timeouts: Timeouts) -> None:
        self._tls = policy
        self._context: ssl.SSLContext | None = None
        self._pools = _pool_classes(guard, timeouts)
        super().__init__(pool_connections=_POOL_SIZE, pool_maxsize=_POOL_SIZE, max_retries=0)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:  # noqa: ANN401 - as in requests
        """Let connections to proxies be ours too."""
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager

    def build_connection_pool_key_attributes(
        self,
        request: PreparedRequest,
        verify: object,  # noqa: ARG002 - the policy decides
        cert: object = None,  # noqa: ARG002 - the policy decides
    ) -> Any:  # noqa: ANN401 - requests has no public name for it
        """Let the TLS policy decide about all connections of this adapter."""
        host, _ = super().build_connection_pool_key_attributes(request, verify=True)
        if host["scheme"] != "https":
            return host, {}
        # Reading the system's authorities takes a while: only where TLS is spoken.
        if self._context is None:
            self._context = self._tls.context()
        return host, {"ssl_context": self._context}

    def cert_verify(self, conn: object, url: object, verify: object, cert: object) -> None:
        """Leave everything to the context: requests would add certifi's authorities."""


def _pool_classes(guard: Guard, timeouts: Timeouts) -> dict[str, type[HTTPConnectionPool]]:
    """Pools whose connections are dialed through a guard and keep a pace."""

    class PlainConnection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _dial(guard, self)

        def getresponse(self) -> Any:  # noqa: ANN401 - urllib3's own
            _keep_pace(self, timeouts)
            return super().getresponse()

    class TlsConnection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _dial(guard, self)

        def getresponse(self) -> Any:  # noqa: ANN401 - urllib3's own
            _keep_pace(self, timeouts)
            return super().getresponse()

    class PlainPool(HTTPConnectionPool):
        pass

    class TlsPool(HTTPSConnectionPool):
        def _validate_conn(self, conn: Any) -> None:  # noqa: ANN401 - urllib3's own
            # Without urllib3's warning: whoever turned checks off for a host knows.
            if conn.is_closed:
                conn.connect()

    PlainPool.ConnectionCls = PlainConnection
    TlsPool.ConnectionCls = TlsConnection
    return {"http": PlainPool, "https": TlsPool}


def _dial(guard: Guard, connection: HTTPConnection) -> socket.socket:
    """Connect, and say what went wrong in urllib3's words."""
    # Not `host`, which lacks a trailing dot that makes it another host.
    host = connection._dns_host.strip("[]")  # noqa: SLF001 - urllib3 has no public name for it
    timeout = connection.timeout if isinstance(connection.timeout, int | float) else None
    try:
        return PacedSocket.take(guard.dial(host, connection.port, timeout))
    except socket.gaierror as error:
        raise NameResolutionError(host, connection, error) from error
    except TimeoutError as error:
        raise ConnectTimeoutError(connection, str(error)) from error
    except OSError as error:
        raise NewConnectionError(connection, str(error)) from error


def _keep_pace(connection: HTTPConnection, timeouts: Timeouts) -> None:
    if isinstance(connection.sock, PacedSocket | PacedTlsSocket):
        connection.sock.pace = Pace(timeouts)
