"""Images in registries: the distribution specification's "Pull".

`RegistryClient` holds what outlives one image: connections, tokens, what is known about
each registry. `RegistrySource` is one image as the rest of the package sees it. Nothing
here trusts a header: digests and sizes are of the bytes received.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from imgfetch.errors import DigestMismatchError, DocumentError, InvalidDigestError, RegistryError
from imgfetch.interfaces import Unverified
from imgfetch.oci import manifest, mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import Digest
from imgfetch.oci.document import MANIFEST_LIMIT
from imgfetch.registry import address
from imgfetch.registry.auth import Scope
from imgfetch.registry.dial import SystemDialer
from imgfetch.registry.endpoint import Endpoint, LazyEndpoint
from imgfetch.registry.settings import RegistrySettings, SystemClock, matches
from imgfetch.registry.tls import TlsPolicy
from imgfetch.registry.transfer import BlobTransfer
from imgfetch.registry.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Generator

    from imgfetch.oci.reference import Reference, Repository
    from imgfetch.registry.dial import Dialer
    from imgfetch.registry.response import Response
    from imgfetch.registry.settings import Clock
    from imgfetch.registry.url import Origin

_ACCEPT = {"Accept": mediatype.ACCEPT_MANIFESTS}


class RegistryClient:
    """Gives images of registries; safe for many threads.

    Args:
        settings: see `RegistrySettings`.
        clock: time, other than the system's in tests.
        dialer: makes connections, other than by the system's resolver in tests.
    """

    def __init__(
        self,
        settings: RegistrySettings | None = None,
        *,
        clock: Clock | None = None,
        dialer: Dialer | None = None,
    ) -> None:
        self._settings = settings or RegistrySettings()
        self._clock = clock or SystemClock()
        self._dialer = dialer or SystemDialer()
        self._lock = threading.Lock()
        self._transports: list[Transport] = []
        self._endpoints: dict[str, LazyEndpoint] = {}

    def source(self, reference: Reference) -> RegistrySource:
        """One image; nothing is asked yet."""
        return RegistrySource(self._endpoint(reference.repository.registry), reference)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for transport in self._transports:
                transport.close()
            self._transports.clear()
            self._endpoints.clear()

    def _endpoint(self, registry: str) -> LazyEndpoint:
        with self._lock:
            if registry not in self._endpoints:
                self._endpoints[registry] = self._make(registry)
            return self._endpoints[registry]

    def _make(self, registry: str) -> LazyEndpoint:
        origins = address.origins(registry, self._settings)
        # A transport of its own for each registry: where one may lead a client to must
        # not depend on where another one is.
        transport = Transport(
            origins,
            policy=self._policy,
            proxy=self._proxy,
            dialer=self._dialer,
            timeouts=self._settings.timeouts,
            user_agent=self._settings.user_agent,
        )
        self._transports.append(transport)

        def make(origin: Origin) -> Endpoint:
            return Endpoint(registry, origin, transport, self._settings, clock=self._clock)

        return LazyEndpoint(origins, transport, make)

    def _policy(self, origin: Origin) -> TlsPolicy:
        settings = self._settings
        authorities = (settings.ca_file,) if settings.ca_file else ()
        verify = not matches(settings.insecure, origin.host, origin.port)
        return TlsPolicy(verify=verify, authorities=authorities)

    def _proxy(self, origin: Origin) -> str | None:
        return self._settings.proxies.get(origin.scheme) or self._settings.proxies.get("all")


class RegistrySource:
    """One image in a registry: a `Source`.

    Args:
        endpoint: where the registry is.
        reference: the image.
    """

    def __init__(self, endpoint: LazyEndpoint, reference: Reference) -> None:
        self._endpoint = endpoint
        self._reference = reference
        self._scope = Scope(reference.repository.path)
        self.name = str(reference)

    def resolve(self) -> Unverified:
        """See `Source.resolve`."""
        wanted = self._reference.digest
        raw, response = self._manifest(str(wanted or self._reference.tag), self.name)
        where = response.url.origin.netloc
        subject = f"manifest {self.name}"
        algorithm = wanted.algorithm if wanted else "sha256"
        digest = Digest.of(raw, algorithm)
        if wanted is not None and digest != wanted:
            message = f"{subject} from {where} failed verification"
            raise DigestMismatchError(message, expected=wanted, actual=digest)
        _check_digest_header(response, raw, subject)
        media_type = _media_type(response, raw, subject)
        return Unverified(Descriptor(media_type, digest, len(raw)), _from_memory(raw), where)

    def fetch(self, descriptor: Descriptor) -> Unverified:
        """See `Source.fetch`."""
        if descriptor.media_type in mediatype.INDEXES | mediatype.MANIFESTS:
            return Unverified(descriptor, self._manifest_chunks(descriptor), self.name)
        repository = self._reference.repository
        transfer = BlobTransfer(
            self._endpoint.get,
            f"/v2/{repository.path}/blobs/{descriptor.digest}",
            descriptor,
            self._scope,
            _subject("blob", descriptor, repository),
        )
        return Unverified(descriptor, transfer.chunks, self.name)

    def close(self) -> None:
        """See `Source.close`: connections belong to the client."""

    def _manifest_chunks(self, descriptor: Descriptor) -> _Chunks:
        subject = _subject("manifest", descriptor, self._reference.repository)

        def chunks(offset: int) -> Generator[bytes, None, None]:
            raw, response = self._manifest(str(descriptor.digest), subject)
            announced = mediatype.normalize(response.header("Content-Type"))
            if announced not in mediatype.GENERIC and announced != descriptor.media_type:
                message = f"{subject} is served as another type than announced"
                raise DocumentError(message, expected=descriptor.media_type, actual=announced)
            yield from _from_memory(raw)(offset)

        return chunks

    def _manifest(self, name: str, subject: str) -> tuple[bytes, Response]:
        """A manifest's bytes, and the head of the response."""
        endpoint = self._endpoint.get()

        def read(response: Response) -> tuple[bytes, Response]:
            return endpoint.read_document(response, MANIFEST_LIMIT, subject), response

        return endpoint.request(
            "GET",
            f"/v2/{self._reference.repository.path}/manifests/{name}",
            what=subject,
            scope=self._scope,
            read=read,
            headers=_ACCEPT,
        )


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


def _subject(kind: str, descriptor: Descriptor, repository: Repository) -> str:
    return f"{kind} {descriptor.digest} of {repository}"


if TYPE_CHECKING:
    from collections.abc import Callable

    _Chunks = Callable[[int], Generator[bytes, None, None]]


def _from_memory(raw: bytes) -> _Chunks:
    def chunks(offset: int) -> Generator[bytes, None, None]:
        if offset < len(raw):
            yield raw[offset:]

    return chunks
