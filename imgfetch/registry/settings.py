"""How the registry room is to behave: values that the caller decides.

Nothing here is read from the environment or from a file: the command line does that
and passes the outcome on. Importing this module imports no HTTP.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from imgfetch.lean.dataclasses import dataclass, field
from imgfetch.registry.registries_conf import RegistriesConf
from imgfetch.registry.secret import NoCredentials

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from imgfetch.registry.hosts_toml import Hosts
    from imgfetch.registry.secret import Credentials


class Clock(Protocol):
    """Time, so that tests need not wait."""

    def monotonic(self) -> float:
        """Seconds that never go backwards, from anywhere."""
        ...

    def time(self) -> float:
        """Seconds since 1970; only compared with dates that a server sends."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        """See `Clock`."""
        return time.monotonic()

    def time(self) -> float:
        """See `Clock`."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """When to give up waiting; all in seconds.

    Attributes:
        connect: for a connection and its TLS handshake.
        read: without a single byte.
        stall_window: of waiting, after which `stall_bytes` must have come.
        stall_bytes: see `stall_window`. A read timeout alone lets a server hold a
            client for ever, a byte at a time.
        commit: for the answer to something that was sent: registries move whole blobs
            before they give one.
        document: for a manifest, a token or a list, from request to last byte.
    """

    connect: float = 15.0
    read: float = 30.0
    stall_window: float = 60.0
    stall_bytes: int = 16 << 10
    commit: float = 300.0
    document: float = 120.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently to ask again.

    Attributes:
        retries: after the first failure; 0 for none.
        rate_limit_retries: the same for "too many requests", which waiting does cure.
        base: seconds before the first retry, doubled for each further one.
        cap: the longest wait, whatever a server asks for.
        patience: seconds of waiting altogether, for one request.
        refill_bytes: progress after which a broken transfer gets its retries back.
        refill_seconds: the same, in time since the last break.
    """

    retries: int = 3
    rate_limit_retries: int = 5
    base: float = 2.0
    cap: float = 60.0
    patience: float = 300.0
    refill_bytes: int = 1 << 20
    refill_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """What the caller decides about registries.

    Hosts are ``HOST`` (any port) or ``HOST:PORT``.

    Attributes:
        credentials: where names and passwords come from.
        plain_http: hosts that may be asked without TLS; loopback hosts always may.
        insecure: hosts whose certificates are not checked.
        ca_file: certificate authorities to trust besides the system's, PEM.
        ca_bundle: certificate authorities in place of the system's, PEM.
        certificate_directories: see `imgfetch.registry.certificates`.
        registries: see `imgfetch.registry.registries_conf`.
        hosts: see `imgfetch.registry.hosts_toml`.
        retry: see `RetryPolicy`.
        timeouts: see `Timeouts`.
        user_agent: the ``User-Agent`` of every request; with a version, if you can.
        proxies: ``http``, ``https`` and ``all`` to proxy URLs, and ``no`` to the hosts
            that are asked directly, in the syntax of the environment variables.
        token_hosts: registry hosts to further hosts whose token servers may see the
            credentials for the registry.
    """

    credentials: Credentials = field(default_factory=NoCredentials)
    plain_http: frozenset[str] = frozenset()
    insecure: frozenset[str] = frozenset()
    ca_file: Path | None = None
    ca_bundle: Path | None = None
    certificate_directories: tuple[Path, ...] = ()
    registries: RegistriesConf = field(default_factory=RegistriesConf)
    hosts: Mapping[str, Hosts] = field(default_factory=dict)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeouts: Timeouts = field(default_factory=Timeouts)
    user_agent: str = "imgfetch"
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    token_hosts: Mapping[str, frozenset[str]] = field(default_factory=dict)


def matches(hosts: frozenset[str], host: str, port: int) -> bool:
    """Whether a host is among some, written with its port or without."""
    return host in hosts or f"{host}:{port}" in hosts
