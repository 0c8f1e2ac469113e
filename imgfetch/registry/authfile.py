"""Files with credentials: docker's ``config.json`` and containers-auth.json(5).

Keys are hosts (docker), hosts with a path (podman), or URLs as docker once wrote them.
Values may be a name and a password, an identity token or a registry token. What is
broken is told when it would be used, and never by its contents.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from imgfetch.errors import AuthenticationError, DocumentError
from imgfetch.lean.dataclasses import dataclass, field
from imgfetch.oci.document import load
from imgfetch.oci.reference import DOCKER_HUB
from imgfetch.registry.secret import TOKEN_USER, Credential

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE_LIMIT = 4 << 20

# Under this key docker keeps the credentials for Docker Hub, in files and helpers.
HUB_KEY = "https://index.docker.io/v1/"
_HUB_HOSTS = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io"})


@dataclass(frozen=True, slots=True)
class AuthFile:
    """What a file with credentials says.

    Attributes:
        name: for people: the file's path, or the variable it came from.
        auths: entries by normalised key (``host`` or ``host/path``).
        store: the credential helper for everything, "" for none.
        helpers: credential helpers by host, ``*`` allowed in it.
    """

    name: str
    auths: Mapping[str, Any] = field(default_factory=dict, repr=False)
    store: str = ""
    helpers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: bytes, name: str) -> AuthFile:
        """Read a file's contents.

        Raises:
            AuthenticationError: malformed.
        """
        try:
            document = load(raw, name, limit=FILE_LIMIT)
            auths = document.optional_object("auths")
            return cls(
                name,
                {normalized(key): value for key, value in (auths.value if auths else {}).items()},
                document.string("credsStore", ""),
                {
                    normalized(host): helper
                    for host, helper in document.string_map("credHelpers").items()
                },
            )
        except DocumentError as error:
            message = f"can't read credentials from {name}: {error.message}"
            raise AuthenticationError(message, hint="correct the file, or remove it") from error

    def find(self, registry: str, repository: str) -> tuple[str, Credential] | None:
        """The most specific entry for a repository that holds a credential.

        Returns:
            Its key and the credential.

        Raises:
            AuthenticationError: the entry is malformed.
        """
        for key in keys(registry, repository):
            if key in self.auths:
                credential = self._credential(key)
                if credential is not None:
                    return key, credential
        return None

    def _credential(self, key: str) -> Credential | None:
        entry = self.auths[key]
        fields = ("auth", "username", "password", "identitytoken", "registrytoken")
        values = (
            {name: entry.get(name) or "" for name in fields} if isinstance(entry, dict) else None
        )
        if values is None or not all(isinstance(value, str) for value in values.values()):
            raise self._malformed(key)
        username, password = values["username"], values["password"]
        if values["auth"]:
            username, password = self._decode(key, values["auth"])
        return credential_of(username, password, values["identitytoken"], values["registrytoken"])

    def _decode(self, key: str, auth: str) -> tuple[str, str]:
        try:
            text = base64.b64decode(auth, validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            raise self._malformed(key) from None
        username, colon, password = text.partition(":")
        if not colon:
            raise self._malformed(key)
        # docker pads with NULs.
        return username, password.rstrip("\0")

    def _malformed(self, key: str) -> AuthenticationError:
        message = f"the entry for {key} in {self.name} is malformed"
        return AuthenticationError(message, hint=f"imgfetch login {key.partition('/')[0]}")


def credential_of(
    username: str, password: str, identity_token: str = "", registry_token: str = ""
) -> Credential | None:
    """A credential from what a file or a helper holds; None where that is nothing."""
    if username == TOKEN_USER:
        username, password, identity_token = "", "", identity_token or password
    if not (password or identity_token or registry_token):
        return None
    return Credential(username, password, identity_token, registry_token)


def normalized(key: str) -> str:
    """A key without scheme and API version, docker's hub by one name."""
    bare = key.strip()
    for scheme in ("https://", "http://"):
        if bare.startswith(scheme):
            # docker wrote whole URLs, and took the host of them only.
            bare = bare.removeprefix(scheme).partition("/")[0]
    bare = bare.rstrip("/").removesuffix("/v1").removesuffix("/v2")
    host, slash, path = bare.partition("/")
    host = host.lower()
    return f"{DOCKER_HUB if host in _HUB_HOSTS else host}{slash}{path}"


def keys(registry: str, repository: str) -> Iterator[str]:
    """The keys under which an entry may be, the most specific first.

    containers-auth.json(5): ``host/namespace/repo``, ``host/namespace``, ``host``.
    """
    path = f"{normalized(registry)}/{repository}" if repository else normalized(registry)
    while path:
        yield path
        path = path.rpartition("/")[0]
