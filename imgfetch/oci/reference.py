"""References: ``[REGISTRY/]PATH[:TAG][@DIGEST]`` by distribution's grammar.

The grammar of distribution's ``reference`` package, strictly: what it does not
allow never becomes part of a URL, a header or a credential helper's input
(CVE-2019-9740 and CVE-2020-5260 classes). Docker's short names are completed as
docker does: ``alpine`` is ``docker.io/library/alpine:latest``.
"""

from __future__ import annotations

from imgfetch.errors import InvalidDigestError, InvalidReferenceError
from imgfetch.lean import re
from imgfetch.lean.dataclasses import dataclass
from imgfetch.oci.digest import Digest

DOCKER_HUB = "docker.io"
_DOCKER_HUB_NAMES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])"
_REGISTRY = re.compile(rf"{_HOST}(?::([0-9]{{1,5}}))?", re.ASCII)
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_TAG_LIMIT = 128
_PORT_DIGITS = 5
# What separates the words of a path and of a tag, for those who look at the words.
_SLASHES = str.maketrans("._-", "///")
_NOTHING = str.maketrans("", "", "._-")

# distribution: RepositoryNameTotalLengthMax. A host's name can't be longer either (RFC 1035).
_LENGTH_LIMIT = 255
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
        if _is_plain(self):
            return
        registry = _REGISTRY.fullmatch(self.registry[: _LENGTH_LIMIT + 1])
        if registry is None or len(self.registry) > _LENGTH_LIMIT:
            raise _invalid(self.registry, "HOST or HOST:PORT", "registry")
        if int(registry[1] or 0) > _PORT_LIMIT:
            raise _invalid(self.registry, f"a port up to {_PORT_LIMIT}", "registry")
        if len(self.path) > _LENGTH_LIMIT:
            raise _invalid(self.path, f"at most {_LENGTH_LIMIT} characters", "repository name")
        if not _PATH.fullmatch(self.path):
            lower_case = _PATH.fullmatch(self.path.lower())
            expected = "lower case" if lower_case else "letters and digits, between them / . _ __ -"
            raise _invalid(self.path, expected, "repository name")

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
        if self.tag is not None and not (_is_plain_tag(self.tag) or _TAG.fullmatch(self.tag)):
            raise _invalid(self.tag, "1 to 128 of [A-Za-z0-9_.-], no leading . or -", "tag")
        if self.tag is None and self.digest is None:
            raise _invalid(str(self.repository), "a tag or a digest", "reference")

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Parse and complete a reference as docker does.

        Raises:
            InvalidReferenceError: outside the grammar.
        """
        try:
            return cls._parse(text)
        except (InvalidReferenceError, InvalidDigestError) as error:
            message = f"invalid reference {text[:200]!r}: {error.message}"
            raise InvalidReferenceError(message, expected=error.expected) from error

    @classmethod
    def _parse(cls, text: str) -> Reference:
        name, at, digest = text.partition("@")
        if not name or _is_digest(text):
            message = "no repository"
            raise InvalidReferenceError(message, expected="NAME[:TAG][@DIGEST]")
        head, slash, last = name.rpartition("/")
        last, colon, tag = last.partition(":")
        default = None if at else "latest"
        return cls(
            Repository(*_complete(f"{head}{slash}{last}")),
            tag if colon else default,
            Digest.parse(digest) if at else None,
        )

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


def _is_digest(text: str) -> bool:
    """Whether a text is a digest, or an image's ID, which would pass for a name or a tag."""
    try:
        Digest.parse(text if ":" in text else f"sha256:{text}")
    except InvalidDigestError:
        return False
    return True


def _complete(name: str) -> tuple[str, str]:
    """Tell a registry from the first component of a path, and fill in docker's defaults.

    Only a dot, a port, an upper-case letter or the name ``localhost`` make a registry.
    """
    registry, slash, path = name.partition("/")
    if not slash or not (
        "." in registry
        or ":" in registry
        or registry == "localhost"
        or registry != registry.lower()
    ):
        registry, path = DOCKER_HUB, name
    if registry.lower() in _DOCKER_HUB_NAMES:
        registry = DOCKER_HUB
        path = path if "/" in path else f"library/{path}"
    return registry, path


def _invalid(text: str, expected: str, what: str) -> InvalidReferenceError:
    message = f"invalid {what} {text[:200]!r}"
    return InvalidReferenceError(message, expected=expected)


def _is_plain(repository: Repository) -> bool:
    """Whether a repository is within the grammar at first sight, as almost all are.

    Regular expressions, which take longer to load than a run to begin, decide about others.
    """
    host, colon, port = repository.registry.partition(":")
    lengths = max(len(repository.registry), len(repository.path))
    return (
        lengths <= _LENGTH_LIMIT
        and _are_words(host.replace(".", "-").split("-"))
        and (not colon or _is_plain_port(port))
        and repository.path == repository.path.lower()
        and _are_words(repository.path.translate(_SLASHES).split("/"))
    )


def _is_plain_port(port: str) -> bool:
    return (
        port.isascii() and port.isdigit() and len(port) <= _PORT_DIGITS and int(port) <= _PORT_LIMIT
    )


def _is_plain_tag(tag: str) -> bool:
    return _are_words([tag[:1], tag.translate(_NOTHING)]) and len(tag) <= _TAG_LIMIT


def _are_words(words: list[str]) -> bool:
    return all(word.isascii() and word.isalnum() for word in words)
