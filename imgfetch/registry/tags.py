"""The tags of a repository: distribution-spec "Listing Tags".

A list comes in pages, each naming the next one: only pages of the same origin are asked
for, none twice, and not for ever.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.errors import DocumentError, RegistryError
from imgfetch.oci.document import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.registry.repository import PlacedRepository
    from imgfetch.registry.response import Response

_LIMIT = 4 << 20
_PAGES = 1000
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_LINK = re.compile(r'<([^<>]*)>\s*;[^,]*?\brel\s*=\s*"?next"?', re.ASCII | re.IGNORECASE)


def tags(repository: PlacedRepository) -> Iterator[str]:
    """Every tag, in the registry's order.

    Raises:
        RegistryError: pages that lead elsewhere or never end.
        ImgfetchError: as `Endpoint.request`.
    """
    endpoint = repository.endpoint.get()
    subject = f"tags of {repository.place.registry}/{repository.place.repository}"
    target = f"{repository.place.api}/{repository.place.repository}/tags/list"
    seen: set[str] = set()

    def read(response: Response) -> tuple[bytes, Response]:
        return endpoint.read_document(response, _LIMIT, subject), response

    while target not in seen and len(seen) < _PAGES:
        seen.add(target)
        raw, response = endpoint.request(
            "GET", target, what=subject, scope=repository.scope, read=read
        )
        yield from _parse(raw, subject)
        link = next(filter(None, map(_LINK.search, response.headers("Link"))), None)
        if link is None:
            return
        following = response.url.join(link[1])
        if following.origin != endpoint.origin:
            message = f"{subject}: the next page is at {following.origin.netloc}: refused"
            raise RegistryError(message)
        target = following.target
    message = f"{subject}: the list does not end"
    raise RegistryError(message)


def _parse(raw: bytes, subject: str) -> Iterator[str]:
    """The tags of one page; some registries list null, or digests."""
    values = load(raw, subject, limit=_LIMIT).value.get("tags")
    if values is None:
        values = []
    if not isinstance(values, list):
        message = f"{subject}: no list of tags"
        raise DocumentError(message)
    return (value for value in values if isinstance(value, str) and _TAG.fullmatch(value))
