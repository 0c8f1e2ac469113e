"""Redirects, followed by our own rules.

A registry answers a blob with a redirect to some storage. Credentials go no further than
the origin they were meant for (scheme, host and port; CVE-2020-15157, CVE-2018-18074),
TLS is never left, and bodies of redirects are not kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imgfetch.registry.response import Response
    from imgfetch.registry.transport import Transport
    from imgfetch.registry.url import Origin, Url

_HOPS = 5
_STATUSES = frozenset({301, 302, 303, 307, 308})

# What must not follow to another origin.
_OWN = frozenset({"authorization", "cookie", "proxy-authorization"})


def is_redirect(response: Response) -> bool:
    """Whether a response says to ask elsewhere."""
    return response.status in _STATUSES


def follow(
    transport: Transport,
    method: str,
    url: Url,
    headers: Mapping[str, str],
    plain_allowed: Callable[[Origin], bool],
    *,
    own: Mapping[str, str] | None = None,
) -> Response:
    """GET or HEAD, wherever that leads.

    Args:
        transport: sends each request.
        method: ``GET`` or ``HEAD``.
        url: where to begin.
        headers: sent along, credentials only as long as the origin stays the same.
        plain_allowed: whether a host may be asked without TLS.
        own: further ones that are for the first origin alone; those in ``headers`` win.

    Returns:
        The first response that is no redirect; its ``url`` says from where.

    Raises:
        RegistryError: too many redirects, or one that is refused.
        NetworkError: no answer.
    """
    chain = [url]
    kept = dict(headers)
    given = {name.lower() for name in headers}
    extra = {name: value for name, value in (own or {}).items() if name.lower() not in given}
    while True:
        response = transport.send(method, url, {**kept, **extra})
        if not is_redirect(response):
            return response
        location = response.header("Location")
        response.discard()
        if not location:
            raise _error(chain, f"status {response.status} without a Location")
        target = url.join(location)
        if target.origin != url.origin:
            extra = {}
            kept = {name: value for name, value in kept.items() if name.lower() not in _OWN}
        if target.origin.scheme == "http" and not plain_allowed(target.origin):
            message = f"it leads to {target.origin}, without TLS"
            raise _error(
                [*chain, target], message, f"--plain-http {target.origin.netloc} allows it"
            )
        if len(chain) > _HOPS:
            raise _error([*chain, target], f"more than {_HOPS} redirects")
        chain.append(target)
        url = target


def _error(chain: list[Url], reason: str, hint: str | None = None) -> RegistryError:
    message = f"{chain[0].origin.netloc} answered with a redirect that is refused: {reason}"
    return RegistryError(message, actual=" -> ".join(map(str, chain)), hint=hint)
