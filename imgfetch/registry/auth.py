"""Answers to challenges: which ``Authorization`` header a request to a registry gets.

One `Authorizer` serves one origin. It holds the challenge that the origin gave last and
the tokens got for it; nothing of it is ever used for another origin (a mirror, a storage
or a second registry has its own, or none).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from imgfetch.lean.dataclasses import dataclass
from imgfetch.registry import challenge as challenges
from imgfetch.registry import realm
from imgfetch.registry.secret import TOKEN_USER
from imgfetch.registry.token import TokenCache, TokenRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imgfetch.registry.challenge import Challenge
    from imgfetch.registry.secret import Credential, Credentials
    from imgfetch.registry.settings import Clock
    from imgfetch.registry.token import Token
    from imgfetch.registry.url import Origin, Url

_SCHEMES = ("basic", "bearer")


@dataclass(frozen=True, slots=True)
class Scope:
    """What a request needs to be allowed.

    Attributes:
        repository: a repository's path; "" for the registry itself.
        actions: ``pull``, ``push``.
    """

    repository: str
    actions: tuple[str, ...] = ("pull",)

    def __str__(self) -> str:
        """As token servers take it, "" for the registry itself."""
        return f"repository:{self.repository}:{','.join(self.actions)}" if self.repository else ""


class Authorizer:
    """Gives requests to one origin their ``Authorization``.

    Args:
        registry: the registry's name, for looking credentials up.
        origin: the origin.
        credentials: where credentials come from.
        fetch_token: asks a token server.
        plain_allowed: whether a host may be asked without TLS.
        token_hosts: see `RegistrySettings`.
        clock: time.
    """

    def __init__(
        self,
        registry: str,
        origin: Origin,
        *,
        credentials: Credentials,
        fetch_token: Callable[[TokenRequest, Credential | None], Token],
        plain_allowed: Callable[[Origin], bool],
        token_hosts: Mapping[str, frozenset[str]],
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._origin = origin
        self._credentials = credentials
        self._plain_allowed = plain_allowed
        self._token_hosts = token_hosts
        self._tokens = TokenCache(fetch_token, clock)
        self._lock = threading.Lock()
        self._challenge: Challenge | None = None
        # Scopes that challenges asked for, besides those that we know to need.
        self._asked: dict[Scope, tuple[str, ...]] = {}
        self._known: dict[str, Credential | None] = {}

    @property
    def challenged(self) -> bool:
        """Whether the origin has ever asked for credentials."""
        return self._challenge is not None

    def credential(self, repository: str) -> Credential | None:
        """The credential for a repository, looked up once."""
        with self._lock:
            if repository not in self._known:
                found = self._credentials.lookup(self._registry, repository)
                self._known[repository] = found
            return self._known[repository]

    def header(self, scope: Scope, rejected: str | None = None) -> str | None:
        """The header for a request, None for none.

        Args:
            scope: what the request needs.
            rejected: a header that was refused just now.

        Raises:
            AuthenticationError: credentials or a token can't be had.
            NetworkError: the token server did not answer.
        """
        challenge = self._challenge
        if challenge is None:
            return None
        credential = self.credential(scope.repository)
        if challenge.scheme == "basic":
            return credential.basic() if credential and credential.has_password else None
        if credential and credential.registry_token:
            return f"Bearer {credential.registry_token}"
        url = realm.checked(challenge.get("realm"), self._here, self._plain_allowed)
        if not self._may_see(url):
            credential = None
        account = (credential.username or TOKEN_USER) if credential else ""
        needed = (str(scope),) if scope.repository else ()
        scopes = tuple(dict.fromkeys(needed + self._asked.get(scope, ())))
        request = TokenRequest(url, challenge.get("service"), scopes, account)
        return self._tokens.get(request, credential, rejected).header

    def answer(
        self, scope: Scope, headers: Sequence[str], sent: str | None, *, fresh: bool
    ) -> str | None:
        """A better header for a request that was refused.

        Args:
            scope: what the request needs.
            headers: the ``WWW-Authenticate`` headers of the refusal.
            sent: the header that was refused.
            fresh: whether that was made for this very request; then another one like it
                won't do any better.

        Returns:
            None where there is none.
        """
        if not self._learn(scope, headers) and fresh:
            return None
        header = self.header(scope, sent)
        return None if header == sent else header

    def _learn(self, scope: Scope, headers: Sequence[str]) -> bool:
        """Take a challenge in; whether it asks for what was not asked for before."""
        found = self._choose(scope, challenges.parse(headers))
        if found is None:
            return False
        with self._lock:
            before = self._asked.get(scope, ())
            new = [item for item in found.scopes if item not in before and item != str(scope)]
            self._asked[scope] = (*before, *new)
            changed = self._challenge is None or self._challenge.scheme != found.scheme
            self._challenge = found
            return changed or bool(new)

    def withheld(self, scope: Scope) -> str:
        """Why credentials were not used although there are some, "" otherwise."""
        challenge = self._challenge
        if (
            challenge is None
            or challenge.scheme != "bearer"
            or not self.credential(scope.repository)
        ):
            return ""
        url = realm.checked(challenge.get("realm"), self._here, self._plain_allowed)
        if self._may_see(url):
            return ""
        host = url.origin.netloc
        return (
            f"the credentials for {self._registry} were not sent to its token server {host}, "
            f'which is in another domain; token_hosts = ["{self._registry}={host}"] in the '
            "config file allows it"
        )

    @property
    def _here(self) -> Url:
        return self._origin.url("/v2/")

    def _may_see(self, url: Url) -> bool:
        return realm.may_see_credentials(url, self._origin, self._token_hosts)

    def _choose(self, scope: Scope, offered: Sequence[Challenge]) -> Challenge | None:
        """The first challenge that can be answered."""
        usable = [item for item in offered if item.scheme in _SCHEMES]
        credential = self.credential(scope.repository) if usable else None
        if not (credential and credential.has_password):
            # Nobody can answer Basic without a password; a token may be had by anyone.
            usable.sort(key=lambda item: item.scheme != "bearer")
        return usable[0] if usable else None
