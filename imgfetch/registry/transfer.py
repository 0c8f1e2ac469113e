"""A blob's transfer: from any offset, through breaks, to exactly its size.

What a registry answers to ``Range`` is checked and never believed (RFC 9110 14): a 200
is skipped through, a 206 for other bytes is asked for again as a whole. Each further
attempt begins at the registry, whose redirects to a storage expire.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.errors import NetworkError, RegistryError, SizeMismatchError
from imgfetch.oci import mediatype
from imgfetch.registry import diagnostics, encoding
from imgfetch.registry.retry import TransferAttempts

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.registry.auth import Scope
    from imgfetch.registry.endpoint import Endpoint
    from imgfetch.registry.response import Response

_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(?:(\d{1,19})|\*)", re.ASCII)
_LONGER, _SHORTER = "longer", "shorter"
_OK, _PARTIAL, _BAD_REQUEST, _FORBIDDEN, _BAD_RANGE = 200, 206, 400, 403, 416


class BlobTransfer:
    """One blob from one endpoint.

    Args:
        endpoint: where from, once it is known.
        target: the blob's path there.
        descriptor: what is expected.
        scope: what it needs to be allowed.
        what: what it is, for errors.
    """

    def __init__(
        self,
        endpoint: Callable[[], Endpoint],
        target: str,
        descriptor: Descriptor,
        scope: Scope,
        what: str,
    ) -> None:
        self._find = endpoint
        self._target = target
        self._size = descriptor.size
        self._scope = scope
        self._what = what

    def chunks(self, offset: int) -> Generator[bytes, None, None]:
        """The bytes from an offset on, to the end or to an error.

        Raises:
            SizeMismatchError: the registry has more bytes, or fewer.
            RegistryError: see `Endpoint.request`.
            NetworkError: broken for longer than we try.
        """
        if offset >= self._size:
            return
        endpoint = self._find()
        attempts = TransferAttempts(endpoint.policy, endpoint.clock)
        position = offset
        while True:
            start, fault = position, None
            try:
                for chunk in self._receive(endpoint, position):
                    position += len(chunk)
                    if position > self._size:
                        raise self._mismatch(_LONGER, f"at least {position} bytes")
                    attempts.progress(len(chunk))
                    yield chunk
            except NetworkError as error:
                fault = diagnostics.about(self._what, error)
                if not error.transient:
                    raise
            if position == self._size:
                return
            if fault is None and position == start:
                raise self._mismatch(_SHORTER, f"{position} bytes")
            if not attempts.again():
                raise fault or self._mismatch(_SHORTER, f"{position} bytes")

    def _receive(self, endpoint: Endpoint, position: int) -> Generator[bytes, None, None]:
        """One attempt: what comes from a position on."""
        response, skip = self._open(endpoint, position)
        try:
            if mediatype.normalize(response.header("Content-Type")) == "text/html":
                # A sign-in page, which would otherwise be a layer until it is hashed.
                message = f"{self._what}: {response.url.origin.netloc} answered with a web page"
                raise RegistryError(message, status=response.status)
            end = None if response.length is None else position - skip + response.length
            chunks = response.chunks()
            whole = response.status == _OK
            if whole and encoding.is_encoded(response) and end != self._size:
                chunks = encoding.decoded(response, chunks)
            elif end is not None and end > self._size:
                raise self._mismatch(_LONGER, f"{end} bytes")
            for chunk in chunks:
                if skip >= len(chunk):
                    skip -= len(chunk)
                    continue
                yield chunk[skip:] if skip else chunk
                skip = 0
        finally:
            response.close()

    def _open(self, endpoint: Endpoint, position: int) -> tuple[Response, int]:
        """A response, and how many of its bytes come before the position."""
        if position:
            response = self._ask(endpoint, position)
            if response.status == _OK:
                return response, position
            if response.status == _PARTIAL and self._continues(response, position):
                return response, 0
            response.close()
        response = self._ask(endpoint, 0)
        if response.status != _OK:
            raise endpoint.error(response, self._what, self._scope)
        return response, position

    def _ask(self, endpoint: Endpoint, position: int) -> Response:
        """Ask, and ask once more where a storage says that its address has expired."""
        # Some registries mishandle a Range that begins at 0.
        headers = {"Range": f"bytes={position}-"} if position else {}
        accept = {_OK, _BAD_REQUEST, _FORBIDDEN}
        if position:
            accept |= {_PARTIAL, _BAD_RANGE}

        def ask() -> Response:
            return endpoint.request(
                "GET",
                self._target,
                what=self._what,
                scope=self._scope,
                read=lambda response: response,
                headers=headers,
                accept=accept,
            )

        response = ask()
        if response.status in {_BAD_REQUEST, _FORBIDDEN}:
            if response.url.origin != endpoint.origin:
                response.discard()
                response = ask()
            if response.status == _FORBIDDEN:
                raise endpoint.error(response, self._what, self._scope)
        return response

    def _continues(self, response: Response, position: int) -> bool:
        """Whether a 206 is what was asked for."""
        found = _CONTENT_RANGE.fullmatch(response.header("Content-Range"))
        if found is None or int(found[1]) != position:
            return False
        if encoding.is_encoded(response) and found[3] != str(self._size):
            # A range of something encoded is no range of the blob.
            return False
        if found[3] is not None and int(found[3]) != self._size:
            relation = _LONGER if int(found[3]) > self._size else _SHORTER
            response.close()
            raise self._mismatch(relation, f"{int(found[3])} bytes")
        return True

    def _mismatch(self, relation: str, actual: str) -> SizeMismatchError:
        message = f"{self._what} is {relation} than its descriptor says"
        return SizeMismatchError(message, expected=f"{self._size} bytes", actual=actual)
