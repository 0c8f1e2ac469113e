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
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import Digest
from imgfetch.oci.unverified import Unverified
from imgfetch.oci.verify import Verifier
from imgfetch.registry.repository import check_digest_header, media_type_of
from imgfetch.registry.transfer import BlobTransfer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from imgfetch.oci.reference import Reference
    from imgfetch.registry.repository import PlacedRepository

    Chunks = Callable[[int], Generator[bytes, None, None]]

T = TypeVar("T")

# What another place may do better; a document that is broken is broken everywhere.
_ELSEWHERE = (RegistryError, NetworkError, VerificationError, DocumentError)


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
        self._distrusted = 0
        self._reference = reference
        self._warn = warn
        self._warned: set[tuple[str, type[ImgfetchError]]] = set()
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
        before = self._distrusted
        return Unverified(
            descriptor,
            self._blob_chunks(descriptor),
            self.name,
            elsewhere=lambda: self._distrusted > before,
        )

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
        check_digest_header(response, raw, subject)
        media_type = media_type_of(response, raw, subject)
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
            self._distrusted += 1
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
        if not place.place.mirror:
            return
        # Once for each kind of failure: a mirror may lack every second blob.
        kind = (place.place.registry, type(error))
        if kind not in self._warned:
            self._warned.add(kind)
            self._warn(f"{place.place.registry} is passed over: {error.message}")
        # Whoever does not answer is not waited for again, blob after blob.
        if isinstance(error, NetworkError) and place in self._places:
            self._places.remove(place)


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
