"""A response: its head, and its body as raw bytes within limits."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from imgfetch.errors import NetworkError, RegistryError
from imgfetch.registry import faults

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from http.client import HTTPResponse

    from imgfetch.registry.url import Url

# A redirect's body is worth reading only to keep the connection.
_DRAIN_LIMIT = 16 << 10
_CHUNK = 256 << 10
# Those of the largest file there can be; `int` refuses numbers of thousands of digits.
_DIGITS = 19


def byte_count(text: str) -> int | None:
    """The number of bytes that a header's value is; None if it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


class Response:
    """What a server answered.

    Args:
        answer: as `http.client` has it.
        url: what was asked for.
        done: told once that the body has ended, and whether the connection can be used again.

    Attributes:
        status: the HTTP status.
        url: what was asked for.
    """

    def __init__(self, answer: HTTPResponse, url: Url, done: Callable[[bool], None]) -> None:
        self._answer = answer
        self._done: Callable[[bool], None] | None = done
        self.status = answer.status
        self.url = url
        # 0 also where there is no body whatever the headers say of one (RFC 9110 6.4.1).
        self._bodiless = answer.length == 0
        if self._bodiless:
            # After an interim one (RFC 9110 15.2) the answer itself would come, unasked.
            self._end(reusable=not answer.will_close and answer.status >= HTTPStatus.OK)

    def header(self, name: str) -> str:
        """A header's value, "" when there is none."""
        return ", ".join(self.headers(name)).strip()

    def headers(self, name: str) -> list[str]:
        """A header's values where it is sent more than once."""
        return self._answer.headers.get_all(name) or []

    @property
    def length(self) -> int | None:
        """``Content-Length``; None when missing or not a number."""
        if self._bodiless:
            return 0
        return byte_count(self.header("Content-Length"))

    def chunks(self) -> Generator[bytes, None, None]:
        """The body as it comes, undecoded.

        Raises:
            NetworkError: it broke off before its announced end.
        """
        while self._done is not None:
            try:
                chunk = self._answer.read1(_CHUNK)
                if not chunk and self._answer.length:
                    message = "the body is shorter than was announced"
                    raise ConnectionError(message)
            except faults.FOREIGN as error:
                self.close()
                raise faults.mapped(error, self.url.origin) from error
            if self._answer.length == 0 or not chunk:
                framed = self._answer.length == 0 or self._answer.chunked
                self._end(reusable=framed and not self._answer.will_close)
            if chunk:
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
        self._end(reusable=False)

    def _end(self, *, reusable: bool) -> None:
        done, self._done = self._done, None
        if done is not None:
            self._answer.close()
            done(reusable)
