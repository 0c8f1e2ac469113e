"""A small internet for one test: hosts with names and certificates, all on loopback.

    with World() as world:
        hub = world.host("registry-1.docker.io", {...})
        token = world.host("auth.docker.io", {...})
        source = world.client(credentials=...).source(Reference.parse("alpine"))

Names are resolved by the client's dialer, so nothing of the machine is changed, and each host
says which address it pretends to have. Time is the test's own: waiting takes none.
"""

from __future__ import annotations

import functools
import socket
import ssl
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import trustme

from imgfetch.registry.client import RegistryClient
from imgfetch.registry.dial import Dialed
from imgfetch.registry.secret import Credential
from imgfetch.registry.settings import RegistrySettings
from tests.support.registry_server import Routes, ScriptedServer

PUBLIC = "203.0.113.7"
"""An address on the internet, by RFC 5737 nobody's."""


class FakeClock:
    """Time that passes only by waiting.

    Attributes:
        slept: every wait, in order.
        now: seconds since 1970.
    """

    def __init__(self, now: float = 1_600_000_000.0) -> None:
        self.slept: list[float] = []
        self.now = now
        self._elapsed = 0.0

    def monotonic(self) -> float:
        """See `Clock`."""
        return self._elapsed

    def time(self) -> float:
        """See `Clock`."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass without anybody waiting."""
        self._elapsed += seconds
        self.now += seconds


@dataclass(slots=True)
class Names:
    """A dialer with a table for a resolver.

    Attributes:
        ports: the loopback port behind each host and port.
        addresses: the address each host pretends to have.
        dialed: every connection asked for, in order.
    """

    ports: dict[tuple[str, int], int] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    dialed: list[tuple[str, int]] = field(default_factory=list)

    def dial(self, host: str, port: int, timeout: float | None) -> Dialed:
        """See `Dialer`."""
        self.dialed.append((host, port))
        if (host, port) in self.ports:
            real = self.ports[host, port]
        elif host in self.addresses:
            raise ConnectionRefusedError(111, "Connection refused")
        elif host in {"127.0.0.1", "localhost", "::1"}:
            real = port
        else:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        connected = socket.create_connection(("127.0.0.1", real), timeout)
        return Dialed(connected, self.addresses.get(host, connected.getpeername()[0]))


@dataclass(frozen=True, slots=True)
class Passwords:
    """Credentials by registry, or by registry and repository."""

    table: Mapping[str, Credential]

    def lookup(self, registry: str, repository: str) -> Credential | None:
        """See `Credentials`."""
        return self.table.get(f"{registry}/{repository}") or self.table.get(registry)


@functools.cache
def _everybodys_authority() -> trustme.CA:
    # Making keys takes longer than most tests.
    return trustme.CA()


@functools.cache
def _certificate(name: str) -> trustme.LeafCert:
    return _everybodys_authority().issue_cert(name)


class World:
    """Hosts, their names and their certificates."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.names = Names()
        self.clock = FakeClock()
        self.authority = _everybodys_authority()
        self.directory = Path(".")

    def __enter__(self) -> Self:
        self.directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self.ca_file = self.directory / "ca.pem"
        self.authority.cert_pem.write_to_path(str(self.ca_file))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def host(
        self,
        name: str,
        routes: Routes,
        *,
        port: int = 443,
        tls: bool = True,
        address: str = PUBLIC,
        authority: trustme.CA | None = None,
        greeting: bytes | None = None,
        context: ssl.SSLContext | None = None,
    ) -> ScriptedServer:
        """A host that answers by a table.

        Args:
            name: the host's name.
            routes: see `ScriptedServer`.
            port: the port the world sees.
            tls: speak TLS, with a certificate for the name.
            address: the address it pretends to have.
            authority: who signs its certificate, other than everybody's authority.
            greeting: see `ScriptedServer`.
            context: its side of TLS, made by the test.
        """
        if context is None and tls:
            context = self.tls(name, authority)
        server = self._stack.enter_context(ScriptedServer(routes, tls=context, greeting=greeting))
        self.names.ports[name, port] = server.port
        self.names.addresses[name] = address
        return server

    def tls(self, name: str, authority: trustme.CA | None = None) -> ssl.SSLContext:
        """A server's side of TLS under a name."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        name = name.rstrip(".")
        certificate = authority.issue_cert(name) if authority else _certificate(name)
        certificate.configure_cert(context)
        return context

    def client(
        self, *, warn: Callable[[str], None] | None = None, **settings: Any
    ) -> RegistryClient:
        """A client in this world.

        Args:
            warn: told of warnings.
            settings: of `RegistrySettings`.
        """
        values = {"ca_file": self.ca_file, **settings}
        client = RegistryClient(
            RegistrySettings(**values), warn=warn, clock=self.clock, dialer=self.names
        )
        self._stack.callback(client.close)
        return client
