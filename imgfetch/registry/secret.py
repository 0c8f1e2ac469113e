"""Credentials as values that do not show themselves.

The secret parts are left out of ``repr``, so that no traceback, log or assertion can
print them.
"""

from __future__ import annotations

import base64
from typing import Protocol

from imgfetch.lean.dataclasses import dataclass, field

# What stands in for a name where the password is an identity token.
TOKEN_USER = "<token>"  # noqa: S105 - a name


@dataclass(frozen=True, slots=True)
class Credential:
    """What a person holds for a registry.

    Attributes:
        username: the account; "" with a token alone.
        password: the account's password.
        identity_token: an OAuth2 refresh token, good at the token server only.
        registry_token: a bearer token, sent as it is.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    @property
    def has_password(self) -> bool:
        """Whether it can be used for Basic authentication."""
        return bool(self.username and self.password)

    def basic(self) -> str:
        """The ``Authorization`` header of Basic authentication (RFC 7617, UTF-8)."""
        user = self.username or TOKEN_USER
        pair = f"{user}:{self.password or self.identity_token}".encode()
        return f"Basic {base64.b64encode(pair).decode('ascii')}"


class Credentials(Protocol):
    """Where credentials come from."""

    def lookup(self, registry: str, repository: str) -> Credential | None:
        """What there is for a repository, the most specific first.

        Args:
            registry: as in references: ``docker.io``, ``localhost:5000``.
            repository: the path in the registry, "" for the registry itself.

        Raises:
            AuthenticationError: a source of credentials is broken. Going on without
                would ask as somebody else than the person believes.
        """
        ...


class NoCredentials:
    """Everything is asked for anonymously."""

    def lookup(self, registry: str, repository: str) -> Credential | None:  # noqa: ARG002 - the Protocol's
        """See `Credentials`."""
        return None


@dataclass(frozen=True, slots=True)
class OneCredential:
    """One credential for one registry (``--creds``), and others elsewhere.

    Attributes:
        registry: the registry it is for; no other one gets to see it.
        credential: the credential.
        fallback: for all other registries.
    """

    registry: str
    credential: Credential
    fallback: Credentials = field(default_factory=NoCredentials)

    def lookup(self, registry: str, repository: str) -> Credential | None:
        """See `Credentials`."""
        if registry == self.registry:
            return self.credential
        return self.fallback.lookup(registry, repository)
