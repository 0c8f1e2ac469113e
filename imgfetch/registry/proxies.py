"""Which proxy a host is asked through, by the rules of the environment's variables.

``NO_PROXY`` entries are hosts, with or without a port; ``.domain`` and ``*.domain`` are
all below a domain, and ``domain`` is itself and all below; networks are ``CIDR``;
``*`` is everything. A loopback host is never asked through a proxy.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import unquote

from imgfetch.errors import RegistryError, UsageError
from imgfetch.lean.dataclasses import dataclass, field
from imgfetch.registry.address import is_loopback
from imgfetch.registry.url import Url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgfetch.registry.url import Origin

# With the "h" the proxy resolves names, as curl has it.
_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy.

    Attributes:
        scheme: ``http``, ``https``, ``socks5`` or ``socks5h``.
        host: as the resolver takes it.
        port: its port.
        username: for the proxy; "" for none.
        password: the same.
    """

    scheme: str
    host: str
    port: int
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def address(self) -> tuple[str, int]:
        """Where it is."""
        return self.host, self.port

    @property
    def socks(self) -> bool:
        """Whether it passes connections on and knows nothing of HTTP."""
        return self.scheme.startswith("socks")

    @classmethod
    def parse(cls, text: str) -> Proxy:
        """A proxy as the environment's variables name it.

        Raises:
            UsageError: there can be no such proxy, or it is of a kind that is not spoken.
        """
        scheme, mark, rest = text.partition("://")
        scheme, rest = (scheme.lower(), rest) if mark else ("http", text)
        userinfo, _, host = rest.rpartition("@")
        host = host.partition("/")[0]
        port = _PORTS.get(scheme)
        try:
            if port is None:
                raise _unusable(host)
            # What may be a host and a port is the same for all of them.
            origin = Url.parse(f"{'https' if scheme == 'https' else 'http'}://{host}").origin
        except RegistryError as error:
            raise _unusable(host) from error
        if scheme not in {"http", "https"} and not host.endswith(f":{origin.port}"):
            origin = type(origin)(origin.scheme, origin.host, port)
        username, _, password = userinfo.partition(":")
        return cls(scheme, origin.address, origin.port, unquote(username), unquote(password))


def _unusable(host: str) -> UsageError:
    # The URL itself is not shown: there may be a password in it.
    message = f"the proxy at {host!r} can't be used"
    expected = "(http|https|socks5|socks5h)://[USER:PASSWORD@]HOST[:PORT]"
    return UsageError(message, expected=expected)


def all_of(proxies: Mapping[str, str]) -> list[Proxy]:
    """All proxies that may be used.

    Args:
        proxies: as `proxy_for` takes them.

    Raises:
        UsageError: one can't be used.
    """
    return [Proxy.parse(url) for name, url in proxies.items() if name != "no" and url]


def proxy_for(proxies: Mapping[str, str], origin: Origin) -> Proxy | None:
    """The proxy for an origin, None for none.

    Args:
        proxies: ``http``, ``https``, ``all`` to URLs, ``no`` to what is left out.
        origin: who is to be asked.

    Raises:
        UsageError: it can't be used.
    """
    url = proxies.get(origin.scheme) or proxies.get("all")
    if not url or is_loopback(origin.host) or excluded(proxies.get("no", ""), origin):
        return None
    return Proxy.parse(url)


def excluded(no_proxy: str, origin: Origin) -> bool:
    """Whether ``NO_PROXY`` leaves an origin out."""
    return any(
        _matches(entry.strip().lower(), origin) for entry in no_proxy.split(",") if entry.strip()
    )


def _matches(entry: str, origin: Origin) -> bool:
    if entry == "*":
        return True
    host = origin.host.rstrip(".").strip("[]")
    network = _network(entry)
    if network is not None:
        return _is_in(host, network)
    name, colon, port = entry.rpartition(":")
    if colon and port.isdigit():
        if int(port) != origin.port:
            return False
        entry = name
    suffix = entry.removeprefix("*").removeprefix(".").rstrip(".").strip("[]")
    if not suffix:
        return False
    # Never a mere ending: example.com is not evil-example.com.
    if host.endswith(f".{suffix}"):
        return True
    return host == suffix and not entry.startswith((".", "*"))


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return None


def _is_in(host: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        return ipaddress.ip_address(host) in network
    except ValueError:
        return False
