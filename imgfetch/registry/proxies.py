"""Which proxy a host is asked through, by the rules of the environment's variables.

``NO_PROXY`` entries are hosts, with or without a port; ``.domain`` and ``*.domain`` are
all below a domain, and ``domain`` is itself and all below; networks are ``CIDR``;
``*`` is everything. A loopback host is never asked through a proxy.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from imgfetch.registry.address import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgfetch.registry.url import Origin


def proxy_for(proxies: Mapping[str, str], origin: Origin) -> str | None:
    """The URL of the proxy for an origin, None for none.

    Args:
        proxies: ``http``, ``https``, ``all`` to URLs, ``no`` to what is left out.
        origin: who is to be asked.
    """
    proxy = proxies.get(origin.scheme) or proxies.get("all")
    if not proxy or is_loopback(origin.host) or excluded(proxies.get("no", ""), origin):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


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
