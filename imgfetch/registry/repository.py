"""A repository at one place, and the checks on what it answers with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.errors import DigestMismatchError, InvalidDigestError, RegistryError
from imgfetch.oci import manifest, mediatype
from imgfetch.oci.digest import Digest
from imgfetch.oci.document import MANIFEST_LIMIT
from imgfetch.registry.auth import Scope

if TYPE_CHECKING:
    from imgfetch.registry.discovery import LazyEndpoint
    from imgfetch.registry.place import Place
    from imgfetch.registry.response import Response

_ACCEPT = {"Accept": mediatype.ACCEPT_MANIFESTS}


class PlacedRepository:
    """A repository at one place.

    Args:
        place: where.
        endpoint: how to ask there.
    """

    def __init__(self, place: Place, endpoint: LazyEndpoint) -> None:
        self.place = place
        self.endpoint = endpoint
        self.scope = Scope(place.repository)

    def target(self, kind: str, name: str) -> str:
        """The path of a manifest or a blob."""
        query = f"?ns={self.place.namespace}" if self.place.namespace else ""
        return f"{self.place.api}/{self.place.repository}/{kind}/{name}{query}"

    def manifest(self, name: str, subject: str) -> tuple[bytes, Response]:
        """A manifest's bytes, and the head of the response that they came with."""
        endpoint = self.endpoint.get()

        def read(response: Response) -> tuple[bytes, Response]:
            return endpoint.read_document(response, MANIFEST_LIMIT, subject), response

        return endpoint.request(
            "GET",
            self.target("manifests", name),
            what=subject,
            scope=self.scope,
            read=read,
            headers=_ACCEPT,
        )

    def hint(self, name: str, subject: str) -> Digest:
        """The digest that a HEAD promises.

        Raises:
            InvalidDigestError: none, or none that is well-formed.
            ImgfetchError: as `Endpoint.request`.
        """

        def read(response: Response) -> str:
            response.discard()
            return response.header("Docker-Content-Digest")

        text = self.endpoint.get().request(
            "HEAD",
            self.target("manifests", name),
            what=subject,
            scope=self.scope,
            read=read,
            headers=_ACCEPT,
            # GET comes next, with all its retries.
            once=True,
        )
        return Digest.parse(text)


def check_digest_header(response: Response, raw: bytes, subject: str) -> None:
    """Compare ``Docker-Content-Digest`` with the bytes: where they differ, one lies.

    Raises:
        DigestMismatchError: they differ.
        RegistryError: the header is no digest.
    """
    text = response.header("Docker-Content-Digest")
    if not text:
        return
    where = response.url.origin.netloc
    try:
        promised = Digest.parse(text)
    except InvalidDigestError as error:
        message = f"{subject}: {where} sends an invalid digest with it"
        raise RegistryError(message, expected=error.expected, actual=ascii(text[:100])) from error
    actual = Digest.of(raw, promised.algorithm)
    if actual != promised:
        message = f"{subject} from {where} is not what its own header says"
        raise DigestMismatchError(message, expected=promised, actual=actual)


def media_type_of(response: Response, raw: bytes, subject: str) -> str:
    """What a document is, by what it was announced as, what it says and what it has.

    Raises:
        RegistryError: a web page.
        ContentError: no manifest, or another one than announced.
    """
    announced = mediatype.normalize(response.header("Content-Type"))
    if announced == "text/html" and raw.lstrip()[:1] == b"<":
        where = response.url.origin.netloc
        message = f"{subject}: {where} answered with a web page"
        raise RegistryError(
            message,
            status=response.status,
            hint="is it a registry? a network that asks to sign in answers like this, too",
        )
    return manifest.parse(raw, announced, subject).media_type
