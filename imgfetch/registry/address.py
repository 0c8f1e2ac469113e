"""From a registry's name to the origins where it may be asked.

Docker Hub answers under another name than people use. A host on the loopback interface
may speak plain HTTP without being configured for it, as with docker; no other host is
ever asked without TLS unless the user named it (CVE-2014-5277).
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from imgfetch.oci.reference import DOCKER_HUB
from imgfetch.registry.settings import matches
from imgfetch.registry.url import DEFAULT_PORTS, Origin

if TYPE_CHECKING:
    from imgfetch.registry.settings import RegistrySettings

_HUB_HOST = "registry-1.docker.io"


def is_loopback(host: str) -> bool:
    """Whether a host is on the loopback interface by its very name."""
    bare = host.lower().rstrip(".")
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(bare.strip("[]")).is_loopback
    except ValueError:
        return False


def plain_allowed(settings: RegistrySettings, origin: Origin) -> bool:
    """Whether a host may be asked without TLS."""
    return is_loopback(origin.host) or matches(settings.plain_http, origin.host, origin.port)


def origins(registry: str, settings: RegistrySettings) -> tuple[Origin, ...]:
    """Where a registry may be, the first choice first.

    Two are given for loopback hosts only, where plain HTTP is tried first: a server that
    speaks TLS says at once that this is not for it, while many that don't would wait for
    the end of a TLS handshake for ever.
    """
    if registry == DOCKER_HUB:
        return (Origin("https", _HUB_HOST, DEFAULT_PORTS["https"]),)
    host, port = _split(registry.lower())
    plain = Origin("http", host, port or DEFAULT_PORTS["http"])
    tls = Origin("https", host, port or DEFAULT_PORTS["https"])
    if matches(settings.plain_http, host, plain.port):
        return (plain,)
    return (plain, tls) if is_loopback(host) else (tls,)


def _split(registry: str) -> tuple[str, int | None]:
    host, colon, port = registry.rpartition(":")
    if colon and port.isdigit():
        return host, int(port)
    return registry, None
