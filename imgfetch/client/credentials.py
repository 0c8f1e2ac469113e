"""Verbs about credentials for registries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from imgfetch.client.registries import home, registry_settings
from imgfetch.errors import InvalidReferenceError, UsageError
from imgfetch.oci.reference import Repository
from imgfetch.registry import credentials
from imgfetch.registry.authfile import credential_of, normalized
from imgfetch.registry.login import CredentialFile
from imgfetch.registry.login import explain as explain_sources

if TYPE_CHECKING:
    from imgfetch.client.collaborators import Collaborators
    from imgfetch.client.settings import Settings
    from imgfetch.registry.credentials import ConfiguredCredentials
    from imgfetch.registry.login import Explanation

_AUTHFILE = "REGISTRY_AUTH_FILE"


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """What came of a login.

    Attributes:
        registry: its name, as in references.
        where: where the credentials are kept, for people.
        asked: whether the registry asked for them; otherwise nobody knows if they are good.
        hidden: whether others are found before these.
    """

    registry: str
    where: str
    asked: bool
    hidden: bool


def login(with_: Collaborators, registry: str, username: str, password: str) -> LoggedIn:
    """See `RegistryVerbs.login`."""
    from imgfetch.registry.client import RegistryClient

    host = _host(registry)
    credential = credential_of(username, password)
    if credential is None:
        message = "an empty password is none"
        raise UsageError(message)
    settings = with_.settings
    client = RegistryClient(registry_settings(_without_file(settings)), warn=with_.progress.warn)
    try:
        asked = client.check(host, credential)
    finally:
        client.close()
    path = _file_for(settings, host)
    where = CredentialFile(path, _helpers(settings)).store(host, credential)
    used = _configured(settings).lookup(host, "")
    return LoggedIn(host, where, asked, hidden=used != credential)


def logout(with_: Collaborators, registry: str) -> list[str]:
    """See `RegistryVerbs.logout`."""
    host = _host(registry)
    settings = with_.settings
    return [
        str(path)
        for path in _paths(settings)
        if path.is_file() and CredentialFile(path, _helpers(settings)).erase(host)
    ]


def explain(with_: Collaborators, registry: str) -> list[Explanation]:
    """See `RegistryVerbs.explain_credentials`."""
    host, _, path = normalized(registry).partition("/")
    repository = Repository(host, path or "x")
    return explain_sources(_configured(with_.settings), host, repository.path if path else "")


def _host(registry: str) -> str:
    """A registry's name as references have it, whatever docker's files call it.

    Raises:
        InvalidReferenceError: no host, or more than one.
    """
    host = normalized(registry)
    if "/" in host:
        message = f"{registry[:200]!r} is a repository"
        raise InvalidReferenceError(message, expected="a registry: HOST or HOST:PORT")
    return Repository(host, "x").registry


def _without_file(settings: Settings) -> Settings:
    """Settings that find no fault with a file that is about to be made."""
    environment = {key: value for key, value in settings.environment.items() if key != _AUTHFILE}
    return replace(settings, authfile=None, environment=environment)


def _paths(settings: Settings) -> list[Path]:
    """The files that may hold credentials, the first choice first."""
    named = settings.authfile or settings.environment.get(_AUTHFILE)
    if named:
        return [Path(named)]
    return credentials.standard_paths(settings.environment, home(settings.environment))


def _file_for(settings: Settings, host: str) -> Path:
    """The file to keep a credential in: docker's, unless one that comes before has another."""
    paths = _paths(settings)
    if len(paths) > 1:
        files = {file.name: file for file in _configured(settings).files}
        for path in paths:
            file = files.get(str(path))
            if file and (credentials.helper_for(file, host) or file.find(host, "")):
                return path
    return paths[-1]


def _configured(settings: Settings) -> ConfiguredCredentials:
    environment = settings.environment
    authfile = Path(settings.authfile) if settings.authfile else None
    return credentials.configured(environment, home=home(environment), authfile=authfile)


def _helpers(settings: Settings) -> credentials.HelperRunner:
    return credentials.HelperRunner(settings.environment)
