"""URLs that are safe to print.

Presigned URLs carry their secret in the query: a `Url` prints without it, and only
``wire`` has all of it. Parsing refuses what two parsers could read differently: user
information, control characters, backslashes, hosts outside the grammar
(CVE-2019-9740 class).
"""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from imgfetch.errors import RegistryError
from imgfetch.lean.dataclasses import dataclass

DEFAULT_PORTS = {"http": 80, "https": 443}

_PORT_LIMIT = 65535
_HOST = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\]", re.ASCII)
_TARGET = re.compile(r"/[!-\[\]^-~]*", re.ASCII)
_LENGTH_LIMIT = 16 << 10


@dataclass(frozen=True, slots=True)
class Origin:
    """Who is spoken to (RFC 6454): credentials never leave it.

    Attributes:
        scheme: ``http`` or ``https``.
        host: lower case; IPv6 addresses in brackets.
        port: always given.
    """

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        """``scheme://host[:port]``."""
        return f"{self.scheme}://{self.netloc}"

    @property
    def netloc(self) -> str:
        """``host[:port]``, without the scheme's own port."""
        default = DEFAULT_PORTS[self.scheme] == self.port
        return self.host if default else f"{self.host}:{self.port}"

    @property
    def address(self) -> str:
        """The host as the resolver takes it: no brackets."""
        return self.host.strip("[]")

    def url(self, target: str) -> Url:
        """A URL below this origin.

        Args:
            target: path and query, starting with a slash.
        """
        return Url(self, target)


@dataclass(frozen=True, slots=True, repr=False)
class Url:
    """An absolute http or https URL.

    Attributes:
        origin: scheme, host and port.
        target: path and query.
    """

    origin: Origin
    target: str

    @classmethod
    def parse(cls, text: str) -> Url:
        """Parse an absolute URL; a fragment is dropped.

        Raises:
            RegistryError: no http(s) URL, or one that could be misread.
        """
        text = text.strip(" ")
        # urlsplit drops tabs and newlines silently: look at the text itself.
        if len(text) > _LENGTH_LIMIT or not text.isascii() or not text.isprintable():
            raise _invalid(text)
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise _invalid(text) from None
        scheme = parts.scheme.lower()
        if scheme not in DEFAULT_PORTS:
            raise _invalid(text)
        host = parts.netloc.lower().removesuffix(f":{port}" if port is not None else ":")
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        if not _HOST.fullmatch(host) or not _TARGET.fullmatch(target):
            raise _invalid(text)
        if port is None:
            port = DEFAULT_PORTS[scheme]
        elif not 0 < port <= _PORT_LIMIT:
            raise _invalid(text)
        return cls(Origin(scheme, host, port), target)

    def join(self, location: str) -> Url:
        """What a ``Location``, ``Link`` or realm means that was received from here.

        Raises:
            RegistryError: no http(s) URL, or one that could be misread.
        """
        if not location.isprintable():
            raise _invalid(location)
        try:
            return Url.parse(urljoin(self.wire, location.strip(" ")))
        except ValueError:
            raise _invalid(location) from None

    @property
    def wire(self) -> str:
        """All of it, secrets included: for the transport only."""
        return f"{self.origin}{self.target}"

    @property
    def path(self) -> str:
        """The path alone."""
        return self.target.partition("?")[0]

    def __str__(self) -> str:
        """Without the query's contents."""
        path, question, _ = self.target.partition("?")
        return f"{self.origin}{path}{'?…' if question else ''}"

    def __repr__(self) -> str:
        """As `str`: a repr ends up in tracebacks."""
        return f"Url({str(self)!r})"


def _invalid(text: str) -> RegistryError:
    shown = text.partition("?")[0][:100]
    # What stands before an @ may be a password.
    shown = re.sub(r"//[^/]*@", "//…@", shown)
    message = f"the registry sent an address that is refused: {shown!r}"
    return RegistryError(message, expected="http(s)://HOST[:PORT]/PATH, no user information")
