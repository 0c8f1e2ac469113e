"""The distribution specification's "Push": blobs, then what refers to them.

What is in the repository already is not sent, what is in another one of the registry is
mounted. A blob is sent in one piece, or in several where the caller wants that; an upload
that breaks begins anew, except in pieces, where the registry says how far it came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from imgfetch.errors import DigestMismatchError, InvalidDigestError, NetworkError
from imgfetch.oci import mediatype
from imgfetch.oci.digest import Digest
from imgfetch.registry import referrers
from imgfetch.registry.auth import Scope
from imgfetch.registry.transport import Body
from imgfetch.registry.upload import Upload

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.manifest import Index, Manifest
    from imgfetch.registry.endpoint import Endpoint
    from imgfetch.registry.repository import PlacedRepository
    from imgfetch.registry.response import Response

_CREATED, _ACCEPTED = 201, 202
_OK, _PARTIAL, _NOT_FOUND, _BAD_RANGE = 200, 206, 404, 416
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class RepositoryWriter:
    """Pushes into one repository.

    Args:
        repository: where to.
        piece: send blobs in pieces of so many bytes; None for whole ones.
    """

    def __init__(self, repository: PlacedRepository, *, piece: int | None = None) -> None:
        self._repository = repository
        self._scope = Scope(repository.place.repository, ("pull", "push"))
        self._piece = piece

    def has(self, descriptor: Descriptor) -> bool:
        """Whether a blob or manifest is in the repository.

        Raises:
            ImgfetchError: as `Endpoint.request`.
        """
        documents = mediatype.INDEXES | mediatype.MANIFESTS
        kind = "manifests" if descriptor.media_type in documents else "blobs"
        endpoint = self._repository.endpoint.get()
        target = self._repository.target(kind, str(descriptor.digest))
        headers = {"Accept": mediatype.ACCEPT_MANIFESTS} if kind == "manifests" else {}
        response = endpoint.write(
            "HEAD",
            endpoint.origin.url(target),
            what=f"{kind.removesuffix('s')} {descriptor.digest}",
            scope=self._scope,
            headers=headers,
            accept={_OK, _NOT_FOUND, *_REDIRECTS},
        )
        response.discard()
        # A storage's address that was signed for GET refuses HEAD, so that only a GET,
        # of a single byte, tells whether there is anything behind a redirect.
        if response.status in _REDIRECTS:
            return self._answers(endpoint, target, descriptor)
        return response.status == _OK

    def tagged(self, tag: str) -> Digest | None:
        """What the registry says a tag stands for; None where it does not.

        Asked for as whoever pushes: a repository that is not there yet may be hidden from
        all others.

        Raises:
            ImgfetchError: as `Endpoint.request`.
        """
        endpoint = self._repository.endpoint.get()
        response = endpoint.write(
            "HEAD",
            endpoint.origin.url(self._repository.target("manifests", tag)),
            what=f"manifest {self._repository.place.repository}:{tag}",
            scope=self._scope,
            headers={"Accept": mediatype.ACCEPT_MANIFESTS},
            accept={_OK, _NOT_FOUND},
        )
        response.discard()
        try:
            return Digest.parse(response.header("Docker-Content-Digest"))
        except InvalidDigestError:
            return None

    def lists(self, subject: Digest, referrer: Digest) -> bool:
        """Whether a manifest is in the registry's list of what refers to another one.

        Raises:
            ImgfetchError: as `Endpoint.request`.
        """
        listed = referrers.referrers(self._repository, subject)
        return any(one.digest == referrer for one in listed)

    def mount(self, descriptor: Descriptor, repository: str) -> bool:
        """Take a blob over from another repository of the registry.

        Returns:
            Whether it is there now; otherwise it has to be pushed.

        Raises:
            ImgfetchError: as `Endpoint.request`.
        """
        query = f"?mount={quote(str(descriptor.digest))}&from={quote(repository, safe='')}"
        response = self._begin(descriptor, query)
        if response.status == _ACCEPTED:
            endpoint = self._repository.endpoint.get()
            Upload(endpoint, self._scope, response, descriptor).cancel()
        return response.status == _CREATED

    def push(self, descriptor: Descriptor, open_blob: Callable[[], BinaryIO]) -> None:
        """Send a blob.

        Args:
            descriptor: what it is.
            open_blob: opens it at its start; called again for each further attempt.

        Raises:
            ImgfetchError: as `Endpoint.request`.
        """
        endpoint = self._repository.endpoint.get()
        attempts = endpoint.attempts()
        while True:
            try:
                begun = self._begin(descriptor, "")
                if begun.status == _CREATED:
                    return
                upload = Upload(endpoint, self._scope, begun, descriptor)
                if self._piece is None:
                    upload.send(open_blob)
                else:
                    upload.send_pieces(open_blob, self._piece)
            except NetworkError as error:
                delay = attempts.delay() if error.transient else None
                if delay is None:
                    raise
                endpoint.clock.sleep(delay)
            else:
                return

    def push_manifest(
        self, document: Manifest | Index, descriptor: Descriptor, tag: str | None = None
    ) -> None:
        """Send a manifest or an index, whose content has to be there already.

        Args:
            document: the parsed document; its raw bytes are sent.
            descriptor: what it is.
            tag: the tag that it gets; by digest alone without.

        Raises:
            DigestMismatchError: the registry understood something else.
            ImgfetchError: as `Endpoint.request`.
        """
        endpoint = self._repository.endpoint.get()
        name = tag or str(descriptor.digest)
        response = endpoint.write(
            "PUT",
            endpoint.origin.url(self._repository.target("manifests", name)),
            what=f"manifest {self._repository.place.repository}:{name}",
            scope=self._scope,
            headers={"Content-Type": descriptor.media_type},
            body=lambda: Body.of(document.raw),
            accept={_CREATED},
        )
        response.discard()
        told = response.header("Docker-Content-Digest")
        if told and told != str(descriptor.digest):
            message = f"{self._repository.place.registry} took the manifest for another one"
            raise DigestMismatchError(message, expected=descriptor.digest, actual=told[:140])
        if document.subject is not None and not response.header("OCI-Subject"):
            # This registry keeps no list of what refers to a manifest: the client does.
            listed = referrers.with_entry(self._repository, document, descriptor)
            if listed is not None:
                index, own = listed
                self.push_manifest(index, own, referrers.fallback_tag(document.subject.digest))

    def _begin(self, descriptor: Descriptor, query: str) -> Response:
        """Open an upload."""
        endpoint = self._repository.endpoint.get()
        target = self._repository.target("blobs", "uploads/")
        response = endpoint.write(
            "POST",
            endpoint.origin.url(f"{target}{query}"),
            what=f"upload of blob {descriptor.digest}",
            scope=self._scope,
            accept={_CREATED, _ACCEPTED},
        )
        response.discard()
        return response

    def _answers(self, endpoint: Endpoint, target: str, descriptor: Descriptor) -> bool:
        def read(response: Response) -> bool:
            response.close()
            return response.status in {_OK, _PARTIAL, _BAD_RANGE}

        return endpoint.request(
            "GET",
            target,
            what=f"blob {descriptor.digest}",
            scope=self._scope,
            headers={"Range": "bytes=0-0"},
            read=read,
            accept={_OK, _PARTIAL, _BAD_RANGE, _NOT_FOUND},
        )
