"""TCP connections: to which addresses.

A registry decides where a client connects to: by a redirect, and by the address of its
token server. `Guard` refuses to be led from a public registry to the machine itself, to
its link or to the metadata services of clouds; it looks at the address that was
connected to, since names can be made to resolve to anything. Private networks are
allowed: registries with a public name and a private storage behind it are common.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Protocol

from imgfetch.errors import RegistryError
from imgfetch.lean.dataclasses import dataclass

# Services that give an instance's own credentials to whoever asks from it, outside the
# link-local networks.
_METADATA = frozenset({"fd00:ec2::254", "100.100.100.200", "168.63.129.16"})
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Dialed:
    """A connected socket, and the IP address at its other end."""

    socket: socket.socket
    address: str


class Dialer(Protocol):
    """Makes TCP connections."""

    def dial(self, host: str, port: int, timeout: float | None) -> Dialed:
        """Connect to the first address of a host that answers.

        Raises:
            OSError: none did.
        """
        ...


class SystemDialer:
    """TCP by the system's resolver."""

    def dial(self, host: str, port: int, timeout: float | None) -> Dialed:
        """See `Dialer`."""
        connected = socket.create_connection((host, port), timeout)
        # Each request is written at once: waiting for more to send only costs time.
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Dialed(connected, connected.getpeername()[0])


def kind_of(address: str) -> str:
    """Which sort of address that only the machine's owner should point at, or ""."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip in _NAT64:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip.is_loopback:
        return "loopback"
    # 0.0.0.0 and :: reach the machine itself.
    if ip.is_unspecified:
        return "loopback"
    if ip.is_link_local:
        return "link-local"
    if str(ip) in _METADATA:
        return "metadata"
    if ip.is_multicast or (ip.version == 4 and ip.is_reserved):  # noqa: PLR2004 - IPv4
        return "reserved"
    return ""


class Guard:
    """Which addresses a registry may lead a client to.

    Args:
        dialer: makes the connections.
        named: hosts and ports of the registry, as the user named it: it may be
            anywhere, and what it is on is fine for where it leads to.
        proxies: hosts and ports of proxies, which may be anywhere too; where they are
            says nothing about registries.
    """

    def __init__(
        self,
        dialer: Dialer,
        named: frozenset[tuple[str, int]],
        proxies: frozenset[tuple[str, int]] = frozenset(),
    ) -> None:
        self._dialer = dialer
        self._named = named
        self._proxies = proxies
        self._kinds = {""}

    def dial(self, host: str, port: int, timeout: float | None) -> socket.socket:
        """Connect, unless that leads to where a registry must not lead.

        Raises:
            RegistryError: refused.
            OSError: no connection.
        """
        dialed = self._dialer.dial(host, port, timeout)
        kind = kind_of(dialed.address)
        if (host, port) in self._named:
            self._kinds.add(kind)
        elif kind not in self._kinds and (host, port) not in self._proxies:
            dialed.socket.close()
            raise _refused(host, kind)
        return dialed.socket

    def check(self, host: str, port: int) -> None:
        """Refuse a host by its name alone, where a proxy makes the connection.

        Raises:
            RegistryError: refused.
        """
        if (host, port) in self._named:
            return
        try:
            # As the resolver does, this reads 2130706433 and 0x7f.1 as 127.0.0.1.
            address = socket.inet_ntoa(socket.inet_aton(host))
        except OSError:
            address = host
        try:
            kind = kind_of(address)
        except ValueError:
            lower = host.lower().rstrip(".")
            kind = "loopback" if lower == "localhost" or lower.endswith(".localhost") else ""
        if kind not in self._kinds:
            raise _refused(host, kind)


def _refused(host: str, kind: str) -> RegistryError:
    message = f"the registry leads to {host}, a {kind} address: refused"
    return RegistryError(message, hint="only a registry on such an address may lead there")
