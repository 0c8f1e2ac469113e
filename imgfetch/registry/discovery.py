"""Finding out at which of its possible origins a registry is.

Only hosts on the loopback interface, and those configured as insecure, have more than
one; all others are asked over TLS or not at all.
"""

from __future__ import annotations

import threading
from http import HTTPStatus
from typing import TYPE_CHECKING

from imgfetch.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.registry.endpoint import Endpoint
    from imgfetch.registry.transport import Transport
    from imgfetch.registry.url import Origin

_PING = "/v2/"


class LazyEndpoint:
    """Finds out at the first request at which of its possible origins a registry is.

    Args:
        origins: where it may be.
        transport: sends single requests.
        make: makes the endpoint.
    """

    def __init__(
        self,
        origins: tuple[Origin, ...],
        transport: Transport,
        make: Callable[[Origin], Endpoint],
    ) -> None:
        self._origins = origins
        self._transport = transport
        self._make = make
        self._lock = threading.Lock()
        self._endpoint: Endpoint | None = None

    def get(self) -> Endpoint:
        """The endpoint."""
        with self._lock:
            if self._endpoint is None:
                self._endpoint = self._make(self._find())
            return self._endpoint

    def _find(self) -> Origin:
        """The first origin that speaks the protocol; the last one is not tried out."""
        for origin in self._origins[:-1]:
            try:
                response = self._transport.send("GET", origin.url(_PING), {})
            except NetworkError:
                continue
            response.discard()
            # Servers that speak TLS answer plain HTTP with 400, or lead to themselves.
            tls = response.status == HTTPStatus.BAD_REQUEST or response.header(
                "Location"
            ).startswith("https:")
            if origin.scheme == "https" or not tls:
                return origin
        return self._origins[-1]
