"""One upload of a blob, from the address that the registry gave for it to the end.

distribution-spec "Pushing a blob monolithically" (POST then PUT) and "in chunks". Each
answer may move the upload to another address, which mostly has a secret in its query.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from imgfetch.errors import NetworkError, RegistryError
from imgfetch.registry.response import byte_count
from imgfetch.registry.transport import Body

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import BinaryIO

    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.registry.auth import Scope
    from imgfetch.registry.endpoint import Endpoint
    from imgfetch.registry.response import Response
    from imgfetch.registry.url import Url

_OK, _CREATED, _ACCEPTED, _NO_CONTENT, _NOT_FOUND = 200, 201, 202, 204, 404
_BYTES = {"Content-Type": "application/octet-stream"}
_PART = 256 << 10
_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,19})", re.ASCII)


class Upload:
    """An upload that was begun.

    Args:
        endpoint: where.
        scope: what it needs to be allowed.
        begun: the registry's answer.
        descriptor: the blob.
    """

    def __init__(
        self, endpoint: Endpoint, scope: Scope, begun: Response, descriptor: Descriptor
    ) -> None:
        self._endpoint = endpoint
        self._scope = scope
        self._descriptor = descriptor
        self._what = f"upload of blob {descriptor.digest}"
        self._location = self._next_location(begun)
        self._least = byte_count(begun.header("OCI-Chunk-Min-Length")) or 0

    def send(self, open_blob: Callable[[], BinaryIO]) -> None:
        """Send the blob in one piece.

        Args:
            open_blob: opens it at its start.

        Raises:
            ImgfetchError: as `Endpoint.write`.
        """
        size = self._descriptor.size
        self._write(
            "PUT",
            self._finishing(),
            headers=_BYTES,
            body=lambda: Body(_parts(open_blob, 0, size), size),
            accept={_CREATED},
        )

    def send_pieces(self, open_blob: Callable[[], BinaryIO], piece: int) -> None:
        """Send the blob piece by piece; after a break, from where the registry is.

        Args:
            open_blob: opens it at its start.
            piece: bytes in each piece; more where the registry wants more.

        Raises:
            ImgfetchError: as `Endpoint.write`.
        """
        attempts = self._endpoint.attempts()
        offset = 0
        while offset < self._descriptor.size:
            length = min(max(piece, self._least), self._descriptor.size - offset)
            try:
                offset = self._send_piece(open_blob, offset, length)
            except NetworkError as error:
                delay = attempts.delay() if error.transient else None
                if delay is None:
                    raise
                self._endpoint.clock.sleep(delay)
                offset = self._progress()
        self._write("PUT", self._finishing(), accept={_CREATED})

    def cancel(self) -> None:
        """Close an upload that nobody wants; registries also do that in time."""
        with contextlib.suppress(RegistryError, NetworkError):
            accept = {_NO_CONTENT, _OK, _ACCEPTED, _NOT_FOUND}
            self._write("DELETE", self._location, accept=accept)

    def _send_piece(self, open_blob: Callable[[], BinaryIO], offset: int, length: int) -> int:
        """Send a piece.

        Returns:
            Where the next one begins.
        """
        response = self._write(
            "PATCH",
            self._location,
            headers={**_BYTES, "Content-Range": f"{offset}-{offset + length - 1}"},
            body=lambda: Body(_parts(open_blob, offset, length), length),
            accept={_ACCEPTED, _NO_CONTENT},
        )
        self._location = self._next_location(response)
        found = _RANGE.fullmatch(response.header("Range"))
        return int(found[1]) + 1 if found else offset + length

    def _progress(self) -> int:
        """How far the registry has come."""
        response = self._write("GET", self._location, accept={_NO_CONTENT})
        if response.header("Location"):
            self._location = self._next_location(response)
        found = _RANGE.fullmatch(response.header("Range"))
        # An upload with nothing in it can't be told from one with a single byte.
        return int(found[1]) + 1 if found and int(found[1]) else 0

    def _write(
        self,
        method: str,
        url: Url,
        *,
        headers: dict[str, str] | None = None,
        body: Callable[[], Body] | None = None,
        accept: set[int],
    ) -> Response:
        response = self._endpoint.write(
            method,
            url,
            what=self._what,
            scope=self._scope,
            headers=headers,
            body=body,
            accept=accept,
        )
        response.discard()
        return response

    def _next_location(self, response: Response) -> Url:
        location = response.header("Location")
        if not location:
            host = response.url.origin.netloc
            message = f"{self._what}: {host} did not say where to send the blob"
            raise RegistryError(message, status=response.status)
        return response.url.join(location)

    def _finishing(self) -> Url:
        joint = "&" if "?" in self._location.target else "?"
        digest = quote(str(self._descriptor.digest))
        return self._location.origin.url(f"{self._location.target}{joint}digest={digest}")


def _parts(
    open_blob: Callable[[], BinaryIO], offset: int, length: int
) -> Generator[bytes, None, None]:
    with open_blob() as blob:
        blob.seek(offset)
        while length:
            part = blob.read(min(_PART, length))
            if not part:
                return
            length -= len(part)
            yield part
