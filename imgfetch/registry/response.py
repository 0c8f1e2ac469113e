"""A response: its head, and its body as raw bytes within limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.errors import NetworkError, RegistryError
from imgfetch.registry import faults

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import requests
    import urllib3

    from imgfetch.registry.url import Url

# A redirect's body is worth reading only to keep the connection.
_DRAIN_LIMIT = 16 << 10
_CHUNK = 256 << 10
# RFC 9110 6.4.1: there is no body, whatever the headers say of one.
_BODILESS = frozenset({204, 304})


class Response:
    """What a server answered.

    Args:
        answer: as requests has it.
        url: what was asked for.
        head: whether only the head was asked for.

    Attributes:
        status: the HTTP status.
        url: what was asked for.
    """

    def __init__(self, answer: requests.Response, url: Url, *, head: bool = False) -> None:
        self._raw: urllib3.HTTPResponse = answer.raw
        self._bodiless = head or answer.status_code in _BODILESS
        self.status = answer.status_code
        self.url = url

    def header(self, name: str) -> str:
        """A header's value, "" when there is none."""
        return self._raw.headers.get(name, "").strip()

    def headers(self, name: str) -> list[str]:
        """A header's values where it is sent more than once."""
        return list(self._raw.headers.getlist(name))

    @property
    def length(self) -> int | None:
        """``Content-Length``; None when missing or not a number."""
        if self._bodiless:
            return 0
        text = self.header("Content-Length")
        return int(text) if text.isascii() and text.isdigit() else None

    def chunks(self) -> Generator[bytes, None, None]:
        """The body as it comes, undecoded.

        Raises:
            NetworkError: it broke off before its announced end.
        """
        while True:
            try:
                chunk = self._raw.read1(_CHUNK, decode_content=False)
            except faults.FOREIGN as error:
                self.close()
                raise faults.mapped(error, self.url.origin) from faults.root(error)
            if not chunk:
                return
            yield chunk

    def read(self, limit: int, what: str, in_time: Callable[[], bool] = lambda: True) -> bytes:
        """The whole body of a document.

        Args:
            limit: the longest body accepted, in bytes.
            what: what it is, for errors.
            in_time: asked after each part whether there is time left.

        Raises:
            RegistryError: longer than the limit.
            NetworkError: broken, or not in time.
        """
        body = bytearray()
        for chunk in self.chunks():
            body += chunk
            if len(body) > limit:
                self.close()
                message = f"{what} from {self.url.origin.netloc} is too large"
                raise RegistryError(message, expected=f"at most {limit} bytes")
            if not in_time():
                self.close()
                message = f"{what} from {self.url.origin.netloc} did not come in time"
                raise NetworkError(message)
        return bytes(body)

    def sample(self, limit: int) -> bytes:
        """The beginning of a body that is only shown, however it ends."""
        body = bytearray()
        try:
            for chunk in self.chunks():
                body += chunk
                if len(body) >= limit:
                    break
        except NetworkError:
            pass
        self.close()
        return bytes(body[:limit])

    def discard(self) -> None:
        """Be done with a body that nobody wants; keeps the connection if that is cheap."""
        length = self.length
        if length is not None and length <= _DRAIN_LIMIT:
            try:
                for _ in self.chunks():
                    pass
            except NetworkError:
                pass
        else:
            self.close()

    def close(self) -> None:
        """End the transfer; the connection goes with it unless the body was read."""
        self._raw.close()
        self._raw.release_conn()
