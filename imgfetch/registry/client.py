"""Registries: what outlives one image. Connections, tokens, what is known of each.

The composition root of this room: settings go in, sources come out.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from imgfetch.lean.dataclasses import dataclass, replace
from imgfetch.oci.reference import Repository
from imgfetch.registry import address, certificates, place, proxies
from imgfetch.registry.dial import SystemDialer
from imgfetch.registry.discovery import LazyEndpoint
from imgfetch.registry.endpoint import Endpoint
from imgfetch.registry.place import Place
from imgfetch.registry.repository import PlacedRepository
from imgfetch.registry.secret import OneCredential
from imgfetch.registry.settings import RegistrySettings, SystemClock, matches
from imgfetch.registry.source import RegistrySource
from imgfetch.registry.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.oci.reference import Reference
    from imgfetch.registry.dial import Dialer
    from imgfetch.registry.secret import Credential
    from imgfetch.registry.settings import Clock
    from imgfetch.registry.tls import TlsPolicy
    from imgfetch.registry.url import Origin


@dataclass(frozen=True, slots=True)
class _Key:
    """What has connections and tokens of its own."""

    registry: str
    origins: tuple[Origin, ...]
    insecure: bool
    tls: TlsPolicy | None
    patient: bool
    headers: tuple[tuple[str, str], ...]


class RegistryClient:
    """Gives images of registries; safe for many threads.

    Args:
        settings: see `RegistrySettings`.
        warn: told what a person should know and what does not stop the work.
        clock: time, other than the system's in tests.
        dialer: makes connections, other than by the system's resolver in tests.
    """

    def __init__(
        self,
        settings: RegistrySettings | None = None,
        *,
        warn: Callable[[str], None] | None = None,
        clock: Clock | None = None,
        dialer: Dialer | None = None,
    ) -> None:
        self._settings = settings or RegistrySettings()
        self._warn = warn or _ignore
        self._clock = clock or SystemClock()
        self._dialer = dialer or SystemDialer()
        self._lock = threading.Lock()
        self._transports: list[Transport] = []
        self._endpoints: dict[_Key, LazyEndpoint] = {}

    def source(self, reference: Reference) -> RegistrySource:
        """One image; nothing is asked yet.

        Raises:
            PolicyError: its registry is blocked by configuration.
        """
        return RegistrySource(self.placed(reference), reference, self._warn)

    def placed(self, reference: Reference) -> list[PlacedRepository]:
        """A repository at each of its places, its registry last."""
        found = place.places(reference, self._settings)
        return [
            # Nobody waits for a mirror while there is somebody else to ask.
            PlacedRepository(item, self._endpoint(item, patient=item is found[-1]))
            for item in found
        ]

    def repository(self, repository: Repository) -> PlacedRepository:
        """A repository at its registry, mirrors left out."""
        origins = address.origins(repository.registry, self._settings)
        own = Place(repository.registry, repository.path, origins)
        return PlacedRepository(own, self._endpoint(own, patient=True))

    def check(self, registry: str, credential: Credential) -> bool:
        """Try a credential at a registry.

        Returns:
            Whether the registry asked for one at all.

        Raises:
            AuthenticationError: it is refused.
            RegistryError: the registry answered with another error.
            NetworkError: no answer.
        """
        settings = replace(self._settings, credentials=OneCredential(registry, credential))
        trial = RegistryClient(settings, warn=self._warn, clock=self._clock, dialer=self._dialer)
        try:
            # Any path will do: it is not asked for.
            endpoint = trial.repository(Repository(registry, "x")).endpoint.get()
            return endpoint.check()
        finally:
            trial.close()

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for transport in self._transports:
                transport.close()
            self._transports.clear()
            self._endpoints.clear()

    def _endpoint(self, where: Place, *, patient: bool) -> LazyEndpoint:
        key = _Key(where.registry, where.origins, where.insecure, where.tls, patient, where.headers)
        with self._lock:
            if key not in self._endpoints:
                self._endpoints[key] = self._make(key)
            return self._endpoints[key]

    def _make(self, key: _Key) -> LazyEndpoint:
        settings = self._settings
        if not key.patient:
            settings = replace(settings, retry=replace(settings.retry, retries=0))
        # A transport of its own for each registry: where one may lead a client to must
        # not depend on where another one is.
        transport = Transport(
            key.origins,
            proxies=proxies.all_of(settings.proxies),
            policy=lambda origin: self._policy(origin, key),
            proxy=lambda origin: proxies.proxy_for(settings.proxies, origin),
            dialer=self._dialer,
            timeouts=settings.timeouts,
            user_agent=settings.user_agent,
        )
        self._transports.append(transport)

        def plain_allowed(origin: Origin) -> bool:
            return origin in key.origins or address.plain_allowed(settings, origin)

        def make(origin: Origin) -> Endpoint:
            return Endpoint(
                key.registry,
                origin,
                transport,
                settings,
                plain_allowed=plain_allowed,
                clock=self._clock,
                warn=self._warn,
                headers=dict(key.headers),
            )

        return LazyEndpoint(key.origins, transport, make)

    def _policy(self, origin: Origin, key: _Key) -> TlsPolicy:
        settings = self._settings
        own = origin in key.origins
        policy = certificates.for_host(settings.certificate_directories, origin)
        if own and key.tls is not None:
            policy = key.tls
        authorities = policy.authorities
        if settings.ca_file is not None:
            authorities = (*authorities, settings.ca_file)
        lax = matches(settings.insecure, origin.host, origin.port) or (own and key.insecure)
        return replace(
            policy,
            verify=policy.verify and not lax,
            authorities=authorities,
            system=settings.ca_bundle,
        )


def _ignore(_: str) -> None:
    """Nobody wants to know."""
