"""One origin that serves a registry: requests with authentication, retries and errors.

Every request of this room goes through `Endpoint.request`: it waits where the registry
asked to, signs in, follows redirects, repeats what may get better, and turns everything
else into an error that names registry, repository and reference.
"""

from __future__ import annotations

import random
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from imgfetch.errors import (
    AuthenticationError,
    ImgfetchError,
    NetworkError,
    NotFoundError,
    RegistryError,
)
from imgfetch.lean.dataclasses import replace
from imgfetch.registry import diagnostics, encoding, redirect, retry, token_server
from imgfetch.registry.auth import Authorizer, Scope
from imgfetch.registry.diagnostics import Subject
from imgfetch.registry.response import Response
from imgfetch.registry.retry import Attempts, Turnstile

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from imgfetch.registry.settings import Clock, RegistrySettings
    from imgfetch.registry.transport import Body, Transport
    from imgfetch.registry.url import Origin, Url

T = TypeVar("T")

_UNAUTHORIZED = 401
# None, then a token, then one that was renewed or has a further scope.
_LOGINS = 2
_PING = "/v2/"


class Endpoint:
    """A registry at one origin.

    Args:
        registry: the registry's name, as in references.
        origin: where it is.
        transport: sends single requests.
        settings: see `RegistrySettings`.
        plain_allowed: whether a host may be asked without TLS.
        clock: time.
        warn: told what the registry wants a person to know.
        jitter: see `Attempts`.
        headers: sent along with each request, to this origin alone.
    """

    def __init__(
        self,
        registry: str,
        origin: Origin,
        transport: Transport,
        settings: RegistrySettings,
        *,
        plain_allowed: Callable[[Origin], bool],
        clock: Clock,
        warn: Callable[[str], None],
        jitter: Callable[[], float] = random.random,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._headers = headers or {}
        self.registry = registry
        self.origin = origin
        self.clock = clock
        self.policy = settings.retry
        self._timeouts = settings.timeouts
        self._transport = transport
        self._plain_allowed = plain_allowed
        self._jitter = jitter
        self._warn = warn
        self._warned: set[str] = set()
        self._turnstile = Turnstile(self.clock)
        self._auth = Authorizer(
            registry,
            origin,
            credentials=settings.credentials,
            fetch_token=token_server.TokenServer(transport, self.attempts, self.clock).fetch,
            plain_allowed=plain_allowed,
            token_hosts=settings.token_hosts,
            clock=self.clock,
        )

    def attempts(self) -> Attempts:
        """The retries of one request."""
        return Attempts(self.policy, self.clock, self._jitter)

    def request(
        self,
        method: str,
        target: str,
        *,
        what: str,
        scope: Scope,
        read: Callable[[Response], T],
        headers: Mapping[str, str] | None = None,
        accept: Collection[int] = (200,),
        once: bool = False,
    ) -> T:
        """GET or HEAD something.

        Args:
            method: ``GET`` or ``HEAD``.
            target: path and query.
            what: what it is, for errors.
            scope: what it needs to be allowed.
            read: takes the response; what breaks in it is retried too.
            headers: to send besides our own.
            accept: statuses that `read` wants to see; all others are errors.
            once: never ask again: whoever asks knows something better to do.

        Raises:
            NotFoundError: not there, or no access.
            AuthenticationError: credentials missing or refused.
            RateLimitError: too many requests, for longer than we wait.
            RegistryError: the registry answered with another error.
            NetworkError: no answer.
        """
        attempts = (
            Attempts(replace(self.policy, retries=0), self.clock) if once else self.attempts()
        )
        while True:
            try:
                response = self._signed(method, target, headers or {}, scope)
                try:
                    if response.status in accept:
                        return read(response)
                    delay = self._delay_for(response, attempts)
                    if delay is None:
                        raise self.error(response, what, scope)
                except ImgfetchError:
                    response.close()
                    raise
                response.discard()
            except NetworkError as error:
                delay = attempts.delay() if error.transient else None
                if delay is None:
                    raise diagnostics.about(what, error)  # noqa: B904 - it is the same error
            self.clock.sleep(delay)

    def write(
        self,
        method: str,
        url: Url,
        *,
        what: str,
        scope: Scope,
        headers: Mapping[str, str] | None = None,
        body: Callable[[], Body] | None = None,
        accept: Collection[int],
    ) -> Response:
        """POST, PATCH, PUT, or a HEAD that is not to be redirected.

        Repeated only where the registry has answered that it can't just now: whether a
        broken connection has changed something, the caller has to find out.

        Args:
            method: the HTTP method.
            url: where; credentials are sent only if it is at this origin.
            what: what it is, for errors.
            scope: what it needs to be allowed.
            headers: to send besides our own.
            body: opens what is sent, again where a challenge comes in between.
            accept: statuses that are no errors.

        Raises:
            ImgfetchError: as `request`.
        """

        def send(authorization: Mapping[str, str]) -> Response:
            own = authorization if url.origin == self.origin else {}
            content = body() if body is not None else None
            if url.origin.scheme == "http" and not self._plain_allowed(url.origin):
                message = (
                    f"{what}: {self.origin.netloc} leads to {url.origin}, without TLS: refused"
                )
                raise RegistryError(message, hint=f"--plain-http {url.origin.netloc} allows it")
            return self._transport.send(method, url, {**(headers or {}), **own}, content)

        attempts = self.attempts()
        while True:
            response = self._with_login(send, scope)
            if response.status in accept:
                return response
            delay = self._delay_for(response, attempts) if method != "PATCH" else None
            if delay is None:
                raise self.error(response, what, scope)
            response.discard()
            self.clock.sleep(delay)

    def check(self) -> bool:
        """Whether the registry wants credentials, and takes those that there are.

        Raises:
            AuthenticationError: it refuses them.
        """
        what = f"registry {self.registry}"
        read = Response.discard
        try:
            self.request("GET", _PING, what=what, scope=Scope(""), read=read)
        except NotFoundError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                message = f"{self.origin.netloc} is no registry that speaks the v2 protocol"
                hint = "check the host and its port"
                raise RegistryError(message, status=error.status, hint=hint) from error
            message = f"{self.origin.netloc} refused the credentials"
            raise AuthenticationError(message, status=error.status, hint=error.hint) from error
        return self._auth.challenged

    def read_document(self, response: Response, limit: int, what: str) -> bytes:
        """A document's body, within the limits on size and time."""
        deadline = self.clock.monotonic() + self._timeouts.document
        raw = response.read(limit, what, lambda: self.clock.monotonic() < deadline)
        return encoding.document(response, raw, limit, what)

    def error(self, response: Response, what: str, scope: Scope) -> Exception:
        """The error for a response; ends the response."""
        credential = self._auth.credential(scope.repository)
        note = self._auth.withheld(scope) if response.url.origin == self.origin else ""
        account = (credential.username or "the token") if credential and not note else ""
        subject = Subject(what, self.origin.netloc, self.registry, account, note)
        return diagnostics.registry_error(response, subject)

    def _signed(
        self, method: str, target: str, headers: Mapping[str, str], scope: Scope
    ) -> Response:
        """Send, follow, and answer challenges."""

        def send(authorization: Mapping[str, str]) -> Response:
            return self._follow(method, target, {**headers, **authorization})

        return self._with_login(send, scope)

    def _with_login(self, send: Callable[[Mapping[str, str]], Response], scope: Scope) -> Response:
        """Send, and answer challenges."""
        authorization = self._auth.header(scope)
        login = 0
        while True:
            self._turnstile.wait()
            response = send({"Authorization": authorization} if authorization else {})
            self._pass_on_warnings(response)
            # Only the registry's own challenges are answered, never those of a storage.
            foreign = response.url.origin != self.origin
            if response.status != _UNAUTHORIZED or foreign or login == _LOGINS:
                return response
            try:
                challenges = self._challenges(response)
                better = self._auth.answer(scope, challenges, authorization, fresh=login > 0)
            except ImgfetchError:
                response.close()
                raise
            if better is None:
                return response
            response.discard()
            authorization = better
            login += 1

    def _pass_on_warnings(self, response: Response) -> None:
        """Tell, once each, what the registry says in ``Warning`` headers."""
        if response.url.origin != self.origin:
            return
        for text in diagnostics.warnings(response.headers("Warning")):
            if text not in self._warned:
                self._warned.add(text)
                self._warn(f"{self.origin.netloc} says: {text}")

    def _follow(self, method: str, target: str, headers: Mapping[str, str]) -> Response:
        return redirect.follow(
            self._transport,
            method,
            self.origin.url(target),
            headers,
            self._plain_allowed,
            own=self._headers,
        )

    def _challenges(self, response: Response) -> list[str]:
        """A refusal's challenges; some registries send them with their root only."""
        found = response.headers("WWW-Authenticate")
        if found:
            return found
        ping = self._follow("GET", _PING, {})
        ping.discard()
        return ping.headers("WWW-Authenticate") if ping.url.origin == self.origin else []

    def _delay_for(self, response: Response, attempts: Attempts) -> float | None:
        """How long to wait before asking again; None to give up."""
        if not retry.is_transient(response.status):
            return None
        limited = response.status == retry.TOO_MANY_REQUESTS
        asked = retry.retry_after(response.header("Retry-After"), self.clock.time())
        delay = attempts.delay(asked=asked, rate_limited=limited)
        if asked is not None:
            # All workers wait, also when this one gives up.
            self._turnstile.close_for(min(asked, self.policy.cap))
        return delay
