"""Registries as one client uses them: settings in, clients out."""

from __future__ import annotations

from imgfetch import __version__
from imgfetch.lean.dataclasses import replace
from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from imgfetch.client.settings import Settings
    from imgfetch.registry.client import RegistryClient
    from imgfetch.registry.settings import RegistrySettings


class Registries:
    """The clients of registries, each made when it is first needed.

    Args:
        settings: see `Settings`.
        warn: told what a person should know and what does not stop the work.
    """

    def __init__(self, settings: Settings, warn: Callable[[str], None]) -> None:
        self._settings = settings
        self._warn = warn
        self._configured: RegistrySettings | None = None
        self._clients: dict[tuple[str, str | None], RegistryClient] = {}

    def client(self, registry: str, creds: str | None = None) -> RegistryClient:
        """The client for one registry, which alone gets to see ``creds``.

        Args:
            registry: as in references.
            creds: ``user:password``; what is configured without.

        Raises:
            UsageError: a configuration file can't be read or understood.
            AuthenticationError: the same of a file with credentials.
        """
        key = (registry, creds)
        client = self._clients.get(key)
        if client is None:
            from imgfetch.registry.client import RegistryClient
            from imgfetch.registry.secret import Credential, OneCredential

            if self._configured is None:
                self._configured = registry_settings(self._settings)
            settings = self._configured
            if creds is not None:
                user, _, password = creds.partition(":")
                one = OneCredential(registry, Credential(user, password), settings.credentials)
                settings = replace(settings, credentials=one)
            # Threads that come here at once go on with the same one.
            client = self._clients.setdefault(key, RegistryClient(settings, warn=self._warn))
        return client

    def close(self) -> None:
        """Close connections."""
        while self._clients:
            self._clients.popitem()[1].close()


def registry_settings(settings: Settings) -> RegistrySettings:
    """What the user, the environment and the machine's files say about registries.

    Raises:
        UsageError: a file can't be read or understood.
        AuthenticationError: the same of a file with credentials.
    """
    from pathlib import Path

    from imgfetch.registry import configuration
    from imgfetch.registry.settings import RetryPolicy

    return configuration.settings(
        settings.environment,
        home(settings.environment),
        authfile=Path(settings.authfile) if settings.authfile else None,
        plain_http=frozenset(settings.plain_http),
        insecure=frozenset(settings.insecure),
        ca_file=Path(settings.ca) if settings.ca else None,
        retry=RetryPolicy(retries=settings.retries),
        user_agent=f"imgfetch/{__version__}",
        token_hosts=_token_hosts(settings.token_hosts),
    )


def _token_hosts(pairs: Iterable[str]) -> Mapping[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for pair in pairs:
        registry, _, host = pair.partition("=")
        found[registry] = found.get(registry, frozenset()) | {host}
    return found


def home(environment: Mapping[str, str]) -> Path:
    """The user's home directory; a place without any configuration where there is none."""
    from pathlib import Path

    return Path(environment.get("HOME") or "/nonexistent")
