"""References: ``[REGISTRY/]PATH[:TAG][@DIGEST]`` by distribution's grammar.

The grammar of distribution's ``reference`` package, strictly: what it does not
allow never becomes part of a URL, a header or a credential helper's input
(CVE-2019-9740 and CVE-2020-5260 classes). Docker's short names are completed as
docker does: ``alpine`` is ``docker.io/library/alpine:latest``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from imgfetch.errors import InvalidDigestError, InvalidReferenceError
from imgfetch.oci.digest import Digest

DOCKER_HUB = "docker.io"
_DOCKER_HUB_NAMES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})

_LABEL = r"(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\])"
_REGISTRY = re.compile(rf"{_HOST}(?::[0-9]{{1,5}})?", re.ASCII)
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)

# distribution: NameTotalLengthMax.
_NAME_LIMIT = 255
_PORT_LIMIT = 65535


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of a registry.

    Attributes:
        registry: host and perhaps port, as people write it (``docker.io``).
        path: e.g. ``library/alpine``.
    """

    registry: str
    path: str

    def __post_init__(self) -> None:
        """Refuse what the grammar does not allow.

        Raises:
            InvalidReferenceError: a part is outside the grammar.
        """
        if not _REGISTRY.fullmatch(self.registry):
            raise _invalid(self.registry, "HOST or HOST:PORT", "registry")
        port = self.registry.rpartition(":")[2]
        if port.isdigit() and int(port) > _PORT_LIMIT:
            raise _invalid(self.registry, f"a port up to {_PORT_LIMIT}", "registry")
        if not _PATH.fullmatch(self.path):
            hint = "lower case" if self.path != self.path.lower() else "[a-z0-9], separators . _ __ -"
            raise _invalid(self.path, hint, "repository name")
        if len(str(self)) > _NAME_LIMIT:
            raise _invalid(str(self), f"at most {_NAME_LIMIT} characters", "repository name")

    def __str__(self) -> str:
        """``registry/path``."""
        return f"{self.registry}/{self.path}"


@dataclass(frozen=True, slots=True)
class Reference:
    """What to fetch: a repository, and a tag or a digest or both.

    With both the digest decides and the tag is only told.

    Attributes:
        repository: where.
        tag: e.g. ``3.20``.
        digest: of a manifest or an index.
    """

    repository: Repository
    tag: str | None
    digest: Digest | None = None

    def __post_init__(self) -> None:
        """Refuse a tag outside the grammar, and a reference to nothing.

        Raises:
            InvalidReferenceError: see above.
        """
        if self.tag is not None and not _TAG.fullmatch(self.tag):
            raise _invalid(self.tag, "1 to 128 of [A-Za-z0-9_.-], no leading . or -", "tag")
        if self.tag is None and self.digest is None:
            raise _invalid(str(self.repository), "a tag or a digest", "reference")

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Parse and complete a reference as docker does.

        Raises:
            InvalidReferenceError: outside the grammar.
        """
        name, at, digest_text = text.partition("@")
        digest = None
        if at:
            try:
                digest = Digest.parse(digest_text)
            except InvalidDigestError as error:
                message = f"invalid reference {text[:200]!r}: {error.message}"
                raise InvalidReferenceError(message, expected=error.expected) from error
        head, slash, last = name.rpartition("/")
        last, colon, tag = last.partition(":")
        name = f"{head}{slash}{last}"
        if not colon:
            tag = "" if at else "latest"
        elif not tag:
            raise _invalid(text, "a tag after the colon", "reference")
        registry, path = _split_registry(name)
        try:
            return cls(Repository(registry, path), tag or None, digest)
        except InvalidReferenceError as error:
            if error.message.endswith(repr(text)):
                raise
            message = f"invalid reference {text[:200]!r}: {error.message}"
            raise InvalidReferenceError(message, expected=error.expected) from error

    def __str__(self) -> str:
        """The canonical form: nothing left out."""
        tag = f":{self.tag}" if self.tag is not None else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return f"{self.repository}{tag}{digest}"

    @property
    def pinned(self) -> bool:
        """Whether a digest decides."""
        return self.digest is not None

    def with_digest(self, digest: Digest) -> Reference:
        """The same repository, by digest alone."""
        return Reference(self.repository, None, digest)


def _split_registry(name: str) -> tuple[str, str]:
    """Tell a registry from the first component of a path, as docker does."""
    first, slash, rest = name.partition("/")
    is_registry = slash and (
        "." in first or ":" in first or first == "localhost" or first != first.lower()
    )
    if not is_registry:
        first, rest = DOCKER_HUB, name
    if first.lower() in _DOCKER_HUB_NAMES:
        first = DOCKER_HUB
        if "/" not in rest:
            rest = f"library/{rest}"
    return first, rest


def _invalid(text: str, expected: str, what: str) -> InvalidReferenceError:
    message = f"invalid {what} {text[:200]!r}"
    return InvalidReferenceError(message, expected=expected)
