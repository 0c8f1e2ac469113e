"""Which token server may be asked, and which one may see a password.

The address of the token server comes from the registry, unauthenticated: a registry that
one has credentials for must not be able to send them anywhere (and any page on the way
must not either). Anonymous tokens may come from anywhere.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from imgfetch.errors import AuthenticationError, RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imgfetch.registry.url import Origin, Url

# Registries whose token servers are in another domain, by their own documentation.
KNOWN_TOKEN_HOSTS: Mapping[str, frozenset[str]] = {
    "registry-1.docker.io": frozenset({"auth.docker.io"}),
    "rg.fr-par.scw.cloud": frozenset({"api.scaleway.com"}),
    "rg.nl-ams.scw.cloud": frozenset({"api.scaleway.com"}),
    "rg.pl-waw.scw.cloud": frozenset({"api.scaleway.com"}),
}

# Below these, neighbours are strangers. The whole public suffix list would be exact;
# these are the ones under which people put registries or token servers.
_SHARED = frozenset(
    {
        "amazonaws.com", "appspot.com", "azurecontainer.io", "azurecontainerapps.io",
        "azurecr.io", "azurewebsites.net", "cloudapp.net", "cloudfront.net",
        "cloudfunctions.net", "core.windows.net", "deno.dev", "fly.dev", "github.io",
        "gitlab.io", "herokuapp.com", "jfrog.io", "netlify.app", "ngrok-free.app",
        "ngrok.app", "ngrok.io", "onrender.com", "pages.dev", "render.com", "run.app",
        "trycloudflare.com", "vercel.app", "web.app", "workers.dev",
    }
)  # fmt: skip
# Second-level labels under which countries give names to the public: co.uk, com.au.
_PUBLIC_LABELS = frozenset({"ac", "co", "com", "edu", "gob", "gov", "ne", "net", "or", "org"})


def checked(realm: str, registry: Url, plain_allowed: Callable[[Origin], bool]) -> Url:
    """The address of a token server, if it is one that may be asked.

    Args:
        realm: as the challenge has it; a relative one is completed.
        registry: what was asked when the challenge came.
        plain_allowed: whether a host may be asked without TLS.

    Raises:
        AuthenticationError: missing, malformed, or without TLS.
    """
    where = registry.origin.netloc
    if not realm:
        message = f"{where} asks for a token, but does not say where to get it"
        raise AuthenticationError(message)
    try:
        url = registry.join(realm)
    except RegistryError as error:
        message = f"{where} names a token server that is refused"
        raise AuthenticationError(message, expected=error.expected, actual=_shown(realm)) from error
    if url.origin.scheme == "http" and (
        registry.origin.scheme == "https" or not plain_allowed(url.origin)
    ):
        message = f"{where} names a token server without TLS: refused"
        raise AuthenticationError(message, expected="https", actual=url)
    return url


def may_see_credentials(
    realm: Url, registry: Origin, allowed: Mapping[str, frozenset[str]]
) -> bool:
    """Whether a token server may see the credentials for a registry.

    It may when it is the registry itself, a host of the same domain, or known or
    allowed for this registry.

    Args:
        realm: the token server, checked.
        registry: the registry.
        allowed: registry hosts to further token hosts.
    """
    if realm.origin == registry:
        return True
    host = realm.origin.host
    for table in (KNOWN_TOKEN_HOSTS, allowed):
        for name in (registry.host, registry.netloc):
            if {host, realm.origin.netloc} & table.get(name, frozenset()):
                return True
    # Another port of the same machine may be another person's.
    if host == registry.host and realm.origin.port != registry.port:
        return _is_loopback(host)
    return _domain(host) is not None and _domain(host) == _domain(registry.host)


def _domain(host: str) -> str | None:
    """The domain that somebody registered; None where there is none to be told."""
    labels = host.rstrip(".").split(".")
    if host.startswith("[") or labels[-1].isdigit() or len(labels) < 2:  # noqa: PLR2004 - name.tld
        return None
    count = 2
    if len(labels[-1]) == 2 and labels[-2] in _PUBLIC_LABELS:  # noqa: PLR2004 - a country's code
        count = 3
    for length in range(len(labels), 1, -1):
        if ".".join(labels[-length:]) in _SHARED:
            count = length + 1
            break
    return ".".join(labels[-count:]) if len(labels) >= count else None


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _shown(realm: str) -> str:
    return ascii(realm.rpartition("@")[2].partition("?")[0][:100])
