"""What ``doctor`` looks at in this room: registries, credentials, proxies, authorities, time.

No secret is in what these tell: accounts by name, proxies without what comes before the ``@``.
Only `registry` and what it leads to opens sockets.
"""

from __future__ import annotations

import ssl
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from imgfetch import remedies
from imgfetch.errors import AuthenticationError, ImgfetchError
from imgfetch.findings import Finding, missing, of_error, ok, warning
from imgfetch.lean.dataclasses import replace
from imgfetch.oci.reference import Repository
from imgfetch.registry import configuration
from imgfetch.registry.auth import Scope
from imgfetch.registry.client import RegistryClient
from imgfetch.registry.credentials import ConfiguredCredentials
from imgfetch.registry.login import explain
from imgfetch.registry.settings import RetryPolicy, Timeouts
from imgfetch.registry.tls import TlsPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from imgfetch.registry.endpoint import Endpoint
    from imgfetch.registry.response import Response
    from imgfetch.registry.settings import RegistrySettings

_SHORT: Final = Timeouts(connect=5, read=5, stall_window=5, document=8)
_ONCE: Final = RetryPolicy(retries=0, rate_limit_retries=0, patience=0)
_ALL_STATUSES: Final = range(100, 600)
# Tokens of registries are good for minutes, their servers' clocks may be off too.
_SKEW: Final = 120
_FIRST_RELEASE: Final = 1_735_689_600.0
# Archives and images carry times of other zones.
_DAY: Final = 86_400


def registry(
    name: str,
    settings: RegistrySettings,
    make: Callable[[RegistrySettings], RegistryClient] = RegistryClient,
) -> Iterator[Finding]:
    """Whether a registry answers, and takes the credentials that there are for it.

    Args:
        name: as in references.
        settings: as for pulls; retries and time are limited here.
        make: makes the client.
    """
    check = "registry"
    said = f"{name} {_account(name, settings)}"
    client = make(replace(settings, timeouts=_SHORT, retry=_ONCE))
    try:
        endpoint = client.repository(Repository(name, "x")).endpoint.get()
        asks = endpoint.check()
    except ImgfetchError as error:
        found = of_error(check, error)
        yield replace(found, found=f"{said}: {found.found}")
        return
    else:
        verb = "is allowed in" if asks else "is not asked for credentials"
        yield ok(check, f"{said}: answers, and {verb} ({endpoint.origin})")
        yield from _clock_of(endpoint)
    finally:
        client.close()


def _account(name: str, settings: RegistrySettings) -> str:
    credentials = settings.credentials
    if not isinstance(credentials, ConfiguredCredentials):
        return "without credentials"
    try:
        used = next((entry for entry in explain(credentials, name) if entry.used), None)
    except AuthenticationError:  # told again where it is asked for
        return "with unusable credentials"
    if used is None:
        return "without credentials"
    return f"as {used.account or 'the owner of a token'} ({used.source})"


def _clock_of(endpoint: Endpoint) -> Iterator[Finding]:
    """Whether this machine's clock and the registry's agree."""

    def date(response: Response) -> str:
        response.discard()
        return response.header("Date")

    what = f"registry {endpoint.registry}"
    try:
        said = endpoint.request(
            "GET", "/v2/", what=what, scope=Scope(""), read=date, accept=_ALL_STATUSES
        )
        skew = time.time() - parsedate_to_datetime(said).timestamp()
    except (ImgfetchError, ValueError, TypeError):
        return
    if abs(skew) > _SKEW:
        way = "ahead of" if skew > 0 else "behind"
        found = f"{abs(skew):.0f} seconds {way} {endpoint.registry}'s"
        yield warning("clock", found, remedies.SET_CLOCK)


def clock(now: float, installed: float) -> Finding:
    """Whether the clock may be right.

    Args:
        now: seconds since the epoch.
        installed: when this program was installed.
    """
    said = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < _FIRST_RELEASE or installed > now + _DAY:
        return warning("clock", f"{said}, before this program was installed", remedies.SET_CLOCK)
    return ok("clock", said)


def proxies(environment: Mapping[str, str]) -> Finding:
    """Which proxies are used."""
    found = configuration.proxies(environment)
    if not found:
        return ok("proxies", "none")
    shown = (
        f"{kind}: {value if kind == 'no' else _without_secrets(value)}"
        for kind, value in found.items()
    )
    return ok("proxies", "; ".join(shown))


def _without_secrets(url: str) -> str:
    scheme, separator, rest = url.partition("://") if "://" in url else ("", "", url)
    # As `Proxy.parse` takes it apart: a password may have slashes in it.
    host = rest.rpartition("@")[2].partition("/")[0]
    return f"{scheme}{separator}{host}"


def authorities(environment: Mapping[str, str], ca_file: str | None = None) -> Finding:
    """Which certificate authorities are trusted."""
    from pathlib import Path

    check = "authorities"
    bundle = configuration.ca_bundle(environment)
    extra = (Path(ca_file),) if ca_file else ()
    try:
        context = TlsPolicy(system=bundle, authorities=extra).context()
    except ImgfetchError as error:
        return of_error(check, error)
    number = context.cert_store_stats()["x509_ca"]
    paths = ssl.get_default_verify_paths()
    where = str(bundle or paths.cafile or paths.capath or "")
    # Those of a directory are read when they are needed.
    if number == 0 and (bundle is not None or not _has_any(paths.capath)):
        found = "no certificate authorities: no registry can be asked over TLS"
        return missing(check, found, remedies.INSTALL_AUTHORITIES)
    return ok(check, f"{number} in {where}" if number else where)


def _has_any(directory: str | None) -> bool:
    from pathlib import Path

    try:
        return directory is not None and any(Path(directory).iterdir())
    except OSError:
        return False


def files(environment: Mapping[str, str], home: str) -> Iterator[Finding]:
    """Whether files about registries and credentials, those of other tools too, can be read."""
    from pathlib import Path

    check = "registry-files"
    try:
        settings = configuration.settings(environment, Path(home))
    except ImgfetchError as error:
        yield of_error(check, error)
        return
    rules = len(settings.registries.rules)
    said = f"{rules} in registries.conf, {len(settings.hosts)} in hosts.toml"
    yield ok(check, f"registries with rules: {said}")


def configured(settings: RegistrySettings) -> set[str]:
    """The registries that files are about."""
    rules = settings.registries.rules.values()
    names = {rule.prefix.partition("/")[0] for rule in rules if not rule.blocked}
    names |= {name for name in settings.hosts if name != "_default"}
    return {name for name in names if name and not name.startswith("*")}
