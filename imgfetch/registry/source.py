"""One image in a registry and its mirrors, as the rest of the package sees it.

Places are asked in order; where one fails, the next one goes on, in the middle of a blob
too. Which place answered is part of the outcome: nobody is left to guess whose bytes
they have. Nothing here trusts a header: digests and sizes are of the bytes received.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from imgfetch.errors import (
    DigestMismatchError,
    DocumentError,
    ImgfetchError,
    InvalidDigestError,
    NetworkError,
    NotFoundError,
    PolicyError,
    RegistryError,
    VerificationError,
)
from imgfetch.interfaces import Unverified
from imgfetch.oci import manifest, mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import Digest
from imgfetch.oci.document import MANIFEST_LIMIT
from imgfetch.oci.verify import Verifier
from imgfetch.registry.auth import Scope
from imgfetch.registry.transfer import BlobTransfer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from imgfetch.oci.reference import Reference
    from imgfetch.registry.endpoint import LazyEndpoint
    from imgfetch.registry.place import Place
    from imgfetch.registry.response import Response

    Chunks = Callable[[int], Generator[bytes, None, None]]

T = TypeVar("T")

_ACCEPT = {"Accept": mediatype.ACCEPT_MANIFESTS}
# What another place may do better; a document that is broken is broken everywhere.
_ELSEWHERE = (RegistryError, NetworkError, VerificationError, DocumentError)


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
        )
        return Digest.parse(text)


class RegistrySource:
    """A `Source`.

    Args:
        places: where to ask, the first choice first.
        reference: the image.
        warn: told when a place fails and the next one is asked.
    """

    def __init__(
        self,
        places: Sequence[PlacedRepository],
        reference: Reference,
        warn: Callable[[str], None],
    ) -> None:
        self._places = list(places)
        self._reference = reference
        self._warn = warn
        self.name = str(reference)

    def resolve(self) -> Unverified:
        """See `Source.resolve`."""
        able = [place for place in self._places if place.place.serves(self._reference)]
        if not able:
            message = f"no place may be asked for {self.name}"
            raise PolicyError(message, hint="the configuration allows digests or tags only")
        return self._anywhere(able, self._resolve_at)

    def hint(self) -> Digest | None:
        """What the registry says the name stands for, by HEAD, which counts as no pull.

        Nothing but a hint: it is good for finding out that nothing has changed.

        Returns:
            None where it does not say.
        """
        for place in self._places:
            if not place.place.serves(self._reference):
                continue
            try:
                return place.hint(str(self._reference.digest or self._reference.tag), self.name)
            except (RegistryError, NetworkError, InvalidDigestError):
                continue
        return None

    def fetch(self, descriptor: Descriptor) -> Unverified:
        """See `Source.fetch`."""
        if descriptor.media_type in mediatype.INDEXES | mediatype.MANIFESTS:
            return Unverified(descriptor, self._manifest_chunks(descriptor), self.name)
        return Unverified(descriptor, self._blob_chunks(descriptor), self.name)

    def close(self) -> None:
        """See `Source.close`: connections belong to the client."""

    def _resolve_at(self, place: PlacedRepository) -> Unverified:
        wanted = self._reference.digest
        subject = f"manifest {self.name}"
        raw, response = place.manifest(str(wanted or self._reference.tag), self.name)
        where = response.url.origin.netloc
        digest = Digest.of(raw, wanted.algorithm if wanted else "sha256")
        if wanted is not None and digest != wanted:
            message = f"{subject} from {where} failed verification"
            raise DigestMismatchError(message, expected=wanted, actual=digest)
        _check_digest_header(response, raw, subject)
        media_type = _media_type(response, raw, subject)
        return Unverified(Descriptor(media_type, digest, len(raw)), in_memory(raw), where)

    def _manifest_chunks(self, descriptor: Descriptor) -> Chunks:
        subject = f"manifest {descriptor.digest} of {self._reference.repository}"

        def at(place: PlacedRepository) -> bytes:
            raw, response = place.manifest(str(descriptor.digest), subject)
            announced = mediatype.normalize(response.header("Content-Type"))
            if announced not in mediatype.GENERIC and announced != descriptor.media_type:
                message = f"{subject} is served as another type than announced"
                raise DocumentError(message, expected=descriptor.media_type, actual=announced)
            if place.place.mirror:
                _verify(descriptor, raw, f"{subject} from {response.url.origin.netloc}")
            return raw

        def chunks(offset: int) -> Generator[bytes, None, None]:
            yield from in_memory(self._anywhere(self._for_digests(), at))(offset)

        return chunks

    def _blob_chunks(self, descriptor: Descriptor) -> Chunks:
        subject = f"blob {descriptor.digest} of {self._reference.repository}"

        def chunks(offset: int) -> Generator[bytes, None, None]:
            position = offset
            errors: list[ImgfetchError] = []
            for place in self._for_digests():
                try:
                    for chunk in self._blob_at(place, descriptor, subject, position):
                        position += len(chunk)
                        yield chunk
                except VerificationError as error:
                    if position > offset:
                        # Wrong bytes are out already: whoever took them has to begin
                        # anew, and the next time elsewhere.
                        self._distrust(place, error)
                        raise
                    self._failed(place, error, errors)
                except _ELSEWHERE as error:
                    self._failed(place, error, errors)
                else:
                    return
            raise _all_failed(self.name, errors)

        return chunks

    def _blob_at(
        self, place: PlacedRepository, descriptor: Descriptor, subject: str, position: int
    ) -> Generator[bytes, None, None]:
        """A blob from one place; what a mirror gives is checked on the way."""
        target = place.target("blobs", str(descriptor.digest))
        transfer = BlobTransfer(place.endpoint.get, target, descriptor, place.scope, subject)
        if not place.place.mirror or position:
            yield from transfer.chunks(position)
            return
        verifier = Verifier(descriptor, f"{subject} from {place.place.registry}")
        for chunk in transfer.chunks(0):
            verifier.update(chunk)
            yield chunk
        verifier.finish()

    def _distrust(self, place: PlacedRepository, error: ImgfetchError) -> None:
        """Never ask a mirror again that gave wrong bytes."""
        if place.place.mirror and place in self._places:
            self._places.remove(place)
            self._warn(f"{place.place.registry} is not asked again: {error.message}")

    def _for_digests(self) -> list[PlacedRepository]:
        return [place for place in self._places if place.place.by_digest]

    def _anywhere(
        self, places: Sequence[PlacedRepository], ask: Callable[[PlacedRepository], T]
    ) -> T:
        """The outcome of the first place that gives one."""
        errors: list[ImgfetchError] = []
        for place in places:
            try:
                return ask(place)
            except _ELSEWHERE as error:
                self._failed(place, error, errors)
        raise _all_failed(self.name, errors)

    def _failed(
        self, place: PlacedRepository, error: ImgfetchError, errors: list[ImgfetchError]
    ) -> None:
        errors.append(error)
        if place is not self._places[-1]:
            self._warn(f"{place.place.registry} is passed over: {error.message}")


def in_memory(raw: bytes) -> Chunks:
    """Bytes at hand, as transfers are."""

    def chunks(offset: int) -> Generator[bytes, None, None]:
        if offset < len(raw):
            yield raw[offset:]

    return chunks


def _all_failed(name: str, errors: list[ImgfetchError]) -> ImgfetchError:
    """What the registry itself said, and what the mirrors before it did."""
    if not errors:
        return NotFoundError(f"no place may be asked for content of {name}")
    last = errors[-1]
    if len(errors) > 1:
        others = "; ".join(error.message for error in errors[:-1])
        last.message = f"{last.message} (before that: {others})"
        last.args = (last.message,)
    return last


def _verify(descriptor: Descriptor, raw: bytes, subject: str) -> None:
    verifier = Verifier(descriptor, subject)
    verifier.update(raw)
    verifier.finish()


def _check_digest_header(response: Response, raw: bytes, subject: str) -> None:
    """Compare ``Docker-Content-Digest`` with the bytes: where they differ, one lies."""
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


def _media_type(response: Response, raw: bytes, subject: str) -> str:
    """What a document is, by what it was announced as, what it says and what it has."""
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
