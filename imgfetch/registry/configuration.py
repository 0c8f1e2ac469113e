"""From a user's environment and files to settings, in the documented order.

The one place that knows which variables and paths other tools use. Nothing is read from
the process itself: the command line hands its variables in.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgfetch.registry import credentials, hosts_toml, registries_conf, registries_files
from imgfetch.registry.settings import RegistrySettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgfetch.registry.hosts_toml import Hosts
    from imgfetch.registry.registries_conf import RegistriesConf

_SYSTEM = Path("/etc")
_PROXIES = {
    "http": ("http_proxy",),  # not HTTP_PROXY, which CGI lets clients set
    "https": ("https_proxy", "HTTPS_PROXY"),
    "all": ("all_proxy", "ALL_PROXY"),
    "no": ("no_proxy", "NO_PROXY"),
}


def settings(
    environment: Mapping[str, str],
    home: Path,
    *,
    authfile: Path | None = None,
    system: Path = _SYSTEM,
    **others: Any,
) -> RegistrySettings:
    """Everything that a user has configured.

    Args:
        environment: the user's variables.
        home: the user's home directory.
        authfile: the file with credentials that was asked for.
        system: where the system's configuration is.
        **others: further settings, see `RegistrySettings`.

    Raises:
        UsageError: a file can't be read or understood.
        AuthenticationError: the same of a file with credentials.
    """
    values: dict[str, Any] = {
        "credentials": credentials.configured(environment, home=home, authfile=authfile),
        "proxies": proxies(environment),
        "ca_bundle": ca_bundle(environment),
        "certificate_directories": certificate_directories(home, system),
        "registries": registries(environment, home, system),
        "hosts": hosts(system),
    }
    return RegistrySettings(**{**values, **others})


def proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """The proxies that the environment names, as `RegistrySettings` takes them."""
    found = {}
    for kind, names in _PROXIES.items():
        value = next((environment[name] for name in names if environment.get(name)), "")
        if value:
            found[kind] = value
    return found


def ca_bundle(environment: Mapping[str, str]) -> Path | None:
    """The authorities in place of the system's."""
    names = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
    value = next((environment[name] for name in names if environment.get(name)), "")
    return Path(value) if value else None


def certificate_directories(home: Path, system: Path = _SYSTEM) -> tuple[Path, ...]:
    """Where certificates for single hosts are, the first choice first."""
    return (
        home / ".config/containers/certs.d",
        system / "containers/certs.d",
        system / "docker/certs.d",
    )


def registries(
    environment: Mapping[str, str], home: Path, system: Path = _SYSTEM
) -> RegistriesConf:
    """Mirrors, blocked registries and short names, by containers-registries.conf(5).

    Raises:
        UsageError: a file can't be read or understood.
    """
    files = registries_files.paths(environment, str(home), str(system))
    return registries_conf.load([Path(path) for path in files])


def hosts(system: Path = _SYSTEM) -> dict[str, Hosts]:
    """Mirrors by containerd's ``hosts.toml``.

    Raises:
        UsageError: a file can't be read or understood.
    """
    return hosts_toml.load([system / "containerd/certs.d"])
