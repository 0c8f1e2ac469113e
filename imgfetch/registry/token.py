"""Tokens: asked for at a token server, kept in memory until they expire.

The protocols are distribution's "Token Authentication Specification" (GET) and its
OAuth2 variant (POST). A token is kept for exactly what it was given for: realm, service,
scopes and account.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from imgfetch.errors import AuthenticationError, DocumentError
from imgfetch.lean.dataclasses import dataclass, field
from imgfetch.oci.document import load
from imgfetch.registry import diagnostics
from imgfetch.registry.secret import TOKEN_USER
from imgfetch.registry.url import Url

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.registry.secret import Credential
    from imgfetch.registry.settings import Clock

TOKEN_LIMIT = 1 << 20

# The specification's default, and its minimum: servers say 0 and mean "soon".
_LIFETIME = 60.0
# Tokens are renewed a little early, so that they don't expire on the way.
_MARGIN = 5.0
_SAMPLE = 50
# The name under which OAuth2 servers know this client.
_CLIENT_ID = "imgfetch"
_HEADER_SAFE = re.compile(r"[!-~]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What a token is for.

    Attributes:
        realm: the token server.
        service: the registry's name there.
        scopes: what to be allowed, the needed one first.
        account: whose; "" for nobody's.
    """

    realm: Url
    service: str
    scopes: tuple[str, ...]
    account: str

    def query_url(self) -> Url:
        """The URL of the GET variant; parameters without a value are left out."""
        pairs = [("service", self.service)] if self.service else []
        pairs += [("scope", scope) for scope in self.scopes]
        if self.account and self.account != TOKEN_USER:
            pairs.append(("account", self.account))
        if not pairs:
            return self.realm
        joint = "&" if "?" in self.realm.target else "?"
        return Url(self.realm.origin, f"{self.realm.target}{joint}{urlencode(pairs)}")

    def form(self, refresh_token: str) -> bytes:
        """The body of the OAuth2 variant with a refresh token."""
        pairs = [
            ("grant_type", "refresh_token"),
            ("service", self.service),
            ("client_id", _CLIENT_ID),
            ("scope", " ".join(self.scopes)),
            ("refresh_token", refresh_token),
        ]
        return urlencode([(name, value) for name, value in pairs if value]).encode()


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token.

    Attributes:
        value: the secret.
        expires: by the monotonic clock.
    """

    value: str = field(repr=False)
    expires: float

    @property
    def header(self) -> str:
        """The ``Authorization`` header."""
        return f"Bearer {self.value}"


def parse(raw: bytes, request: TokenRequest, now: float) -> Token:
    """Read a token server's answer.

    Args:
        raw: the body.
        request: what was asked for.
        now: when it came, by the monotonic clock. The server's own idea of the time
            is not used: clocks differ.

    Raises:
        AuthenticationError: no token in it.
    """
    where = request.realm.origin.netloc
    try:
        document = load(raw, f"token from {where}", limit=TOKEN_LIMIT)
    except DocumentError as error:
        message = f"the token server {where} did not answer with a token"
        raise AuthenticationError(message, actual=diagnostics.sample(raw, _SAMPLE)) from error
    for key in ("token", "access_token"):
        value = document.value.get(key)
        if isinstance(value, str) and value:
            break
    else:
        message = f"the token server {where} answered without a token"
        raise AuthenticationError(message)
    if not _HEADER_SAFE.fullmatch(value):
        message = f"the token server {where} gave a token that can't be sent"
        raise AuthenticationError(message)
    return Token(value, now + max(_lifetime(document.value.get("expires_in")), _LIFETIME) - _MARGIN)


def _lifetime(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9:  # noqa: PLR2004 - anything sane
        return float(value)
    # Some servers write numbers as strings.
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return float(value[:9])
    return _LIFETIME


class TokenCache:
    """Tokens by what they are for; one fetch however many threads want the same.

    Args:
        fetch: asks a token server.
        clock: time.
    """

    def __init__(
        self, fetch: Callable[[TokenRequest, Credential | None], Token], clock: Clock
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._slots: dict[TokenRequest, _Slot] = {}

    def get(
        self, request: TokenRequest, credential: Credential | None, rejected: str | None = None
    ) -> Token:
        """A token, from the server if need be.

        Args:
            request: what for.
            credential: whose; None for nobody's.
            rejected: a header that the registry has refused: its token is not given
                again.

        Raises:
            AuthenticationError: the token server refused.
            NetworkError: it did not answer.
        """
        with self._lock:
            slot = self._slots.setdefault(request, _Slot())
        with slot.lock:
            token = slot.token
            if (
                token is None
                or token.header == rejected
                or self._clock.monotonic() >= token.expires
            ):
                token = self._fetch(request, credential)
                slot.token = token
            return token


class _Slot:
    __slots__ = ("lock", "token")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.token: Token | None = None
