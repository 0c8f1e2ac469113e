"""Asking token servers: GET with a password or nothing, POST with an identity token.

distribution's "Token Authentication Specification" and "OAuth2 Token Authentication".
Not every server knows the second; those are asked by the first with the same secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.errors import AuthenticationError, NetworkError
from imgfetch.registry import diagnostics, redirect, retry
from imgfetch.registry.token import TOKEN_LIMIT, Token, TokenRequest, parse
from imgfetch.registry.transport import Body

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.registry.response import Response
    from imgfetch.registry.retry import Attempts
    from imgfetch.registry.secret import Credential
    from imgfetch.registry.settings import Clock
    from imgfetch.registry.transport import Transport

_OK = 200
_HEADERS = {"Accept": "application/json"}
# How token servers say that they know nothing of OAuth2: GCR, Artifactory, ACR, others.
_NO_POST = frozenset({400, 401, 404, 405})


class TokenServer:
    """Fetches tokens.

    Args:
        transport: sends single requests.
        attempts: gives a request its retries.
        clock: time.
    """

    def __init__(
        self, transport: Transport, attempts: Callable[[], Attempts], clock: Clock
    ) -> None:
        self._transport = transport
        self._attempts = attempts
        self._clock = clock

    def fetch(self, request: TokenRequest, credential: Credential | None) -> Token:
        """Ask for a token.

        Args:
            request: what for.
            credential: whose, already cleared for this server; None for nobody's.

        Raises:
            AuthenticationError: refused, or no token in the answer.
            NetworkError: no answer.
            RegistryError: the server answered with another error.
        """
        if credential and credential.identity_token:
            response = self._exchange(lambda: self._post(request, credential.identity_token))
            if response.status not in _NO_POST:
                return self._token(response, request, credential)
            response.discard()
        response = self._exchange(lambda: self._get(request, credential))
        return self._token(response, request, credential)

    def _get(self, request: TokenRequest, credential: Credential | None) -> Response:
        headers = dict(_HEADERS)
        if credential:
            headers["Authorization"] = credential.basic()
        return self._transport.send("GET", request.query_url(), headers)

    def _post(self, request: TokenRequest, refresh_token: str) -> Response:
        headers = {**_HEADERS, "Content-Type": "application/x-www-form-urlencoded"}
        body = Body.of(request.form(refresh_token))
        return self._transport.send("POST", request.realm, headers, body)

    def _exchange(self, send: Callable[[], Response]) -> Response:
        """Send a request until the answer won't get better."""
        attempts = self._attempts()
        while True:
            try:
                response = send()
                delay = self._delay_for(response, attempts)
                if delay is None:
                    return response
                response.discard()
            except NetworkError as error:
                delay = attempts.delay() if error.transient else None
                if delay is None:
                    # Whoever needs the token is not to try all of this again.
                    error.transient = False
                    raise
            self._clock.sleep(delay)

    def _token(
        self, response: Response, request: TokenRequest, credential: Credential | None
    ) -> Token:
        if response.status != _OK:
            raise self._error(response, request, credential)
        raw = response.read(TOKEN_LIMIT, "the token")
        return parse(raw, request, self._clock.monotonic())

    def _delay_for(self, response: Response, attempts: Attempts) -> float | None:
        if not retry.is_transient(response.status):
            return None
        asked = retry.retry_after(response.header("Retry-After"), self._clock.time())
        limited = response.status == retry.TOO_MANY_REQUESTS
        return attempts.delay(asked=asked, rate_limited=limited)

    def _error(
        self, response: Response, request: TokenRequest, credential: Credential | None
    ) -> Exception:
        host = request.realm.origin.netloc
        if redirect.is_redirect(response):
            # Whatever is behind it would get to see the password next time.
            response.discard()
            message = f"the token server {host} answered with a redirect: refused"
            return AuthenticationError(message, status=response.status)
        account = (credential.username or "the token") if credential else ""
        return diagnostics.token_error(response, host, account)
