"""containers-registries.conf(5), version 2: mirrors, blocked registries, short names.

The whole configuration is one value; reading files is `load`. Version 1 and what is not
understood are refused: a rule that is silently dropped may be one that blocks.
"""

from __future__ import annotations

from imgfetch.errors import InvalidReferenceError, UsageError
from imgfetch.lean.dataclasses import dataclass, field
from imgfetch.lean.typing import TYPE_CHECKING, Any
from imgfetch.oci.reference import Repository
from imgfetch.registry import plain_aliases

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from imgfetch.oci.reference import Reference

_FILE_LIMIT = 1 << 20
_MODES = ("enforcing", "permissive", "disabled")
_PULL_FROM = {"all": (True, True), "digest-only": (False, True), "tag-only": (True, False)}


@dataclass(frozen=True, slots=True)
class Location:
    """One place of a rule.

    Attributes:
        location: ``host[:port][/path]``, in place of the rule's prefix.
        insecure: without TLS, or without checking certificates.
        by_tag: may be asked for tags.
        by_digest: may be asked for digests.
    """

    location: str
    insecure: bool = False
    by_tag: bool = True
    by_digest: bool = True


@dataclass(frozen=True, slots=True)
class Rule:
    """A ``[[registry]]`` table.

    Attributes:
        prefix: what it is for: ``host[:port][/path[:tag|@digest]]`` or ``*.domain``.
        own: the registry's own location.
        mirrors: to be asked before, in order.
        blocked: nothing of it may be fetched.
    """

    prefix: str
    own: Location
    mirrors: tuple[Location, ...] = ()
    blocked: bool = False

    def matches(self, repository: Repository, reference: Reference) -> bool:
        """Whether the rule is for an image; prefixes end at the end of a part."""
        if self.prefix.startswith("*."):
            host = repository.registry
            return host.endswith(self.prefix[1:]) and len(host) > len(self.prefix) - 1
        return any(
            name == self.prefix
            or name.startswith((f"{self.prefix}/", f"{self.prefix}:", f"{self.prefix}@"))
            for name in (str(repository), str(reference))
        ) and not self._is_port(repository)

    def _is_port(self, repository: Repository) -> bool:
        # "host" is no prefix of "host:5000".
        return "/" not in self.prefix and repository.registry != self.prefix

    def rewritten(self, repository: Repository, location: str) -> Repository:
        """A repository's name with the prefix replaced by a location.

        Raises:
            UsageError: the outcome is no repository's name.
        """
        if not location:
            return repository
        name = str(repository)
        if self.prefix.startswith("*."):
            rest = f"/{repository.path}"
        else:
            rest = name[len(self.prefix) :] if name.startswith(self.prefix) else ""
        host, _, path = f"{location}{rest}".partition("/")
        try:
            return Repository(host, path)
        except InvalidReferenceError as error:
            message = f"the location {location!r} makes no repository of {name}"
            raise UsageError(message, hint="correct registries.conf") from error


@dataclass(frozen=True, slots=True)
class RegistriesConf:
    """All rules.

    Attributes:
        name: the files it came from, for people.
        rules: every rule, by prefix.
        aliases: short names and what they stand for.
        searched: the registries of names that say none; None where nobody has said which.
        asks: whether a person is to choose where there are several.
    """

    name: str = "registries.conf"
    rules: Mapping[str, Rule] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    searched: tuple[str, ...] | None = None
    asks: bool = False

    def rule_for(self, repository: Repository, reference: Reference) -> Rule | None:
        """The rule with the longest prefix that is for an image."""
        matching = [rule for rule in self.rules.values() if rule.matches(repository, reference)]
        return max(matching, key=lambda rule: len(rule.prefix), default=None)

    def candidates(self, name: str) -> list[str]:
        """What a name may stand for that does not say its registry, the first choice first.

        An alias decides alone. Without a list of registries it is Docker Hub's name.

        Raises:
            InvalidReferenceError: no registry is to be searched, or a person has to choose.
        """
        for mark in ("@", ":"):
            bare, found, rest = name.partition(mark)
            if bare in self.aliases:
                return [f"{self.aliases[bare]}{found}{rest}"]
        if self.searched is None:
            return [name]
        found_at = [f"{registry}/{name}" for registry in self.searched]
        if not found_at or (self.asks and len(found_at) > 1):
            message = f"{name[:200]!r} is a short name, and {self.name} "
            if not found_at:
                message += "names no registry to search"
            else:
                message += f"wants to be asked which one is meant: {', '.join(found_at)}"
            raise InvalidReferenceError(
                message, hint="write the registry's name too, or add an alias for it"
            )
        return found_at


def load(files: list[Path]) -> RegistriesConf:
    """Read files, later ones over earlier ones; those that aren't there are left out.

    Raises:
        UsageError: a file can't be read or understood.
    """
    rules: dict[str, Rule] = {}
    aliases: dict[str, str] = {}
    names = []
    searched: tuple[str, ...] | None = None
    mode = ""
    for path in files:
        document = _read(path)
        if document is None:
            continue
        names.append(str(path))
        for table in _tables(document, "registry", path):
            rule = _rule(table, path)
            rules[rule.prefix] = rule
        found = document.get("aliases", {})
        if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
            raise _wrong(path, "aliases")
        aliases.update(found)
        searched = _searched(document, path, searched)
        mode = _text(document, "short-name-mode", path) or mode
        if mode and mode not in _MODES:
            raise _wrong(path, "short-name-mode")
    name = ", ".join(names) or "registries.conf"
    return RegistriesConf(name, rules, aliases, searched, mode == "enforcing")


def _searched(
    document: Mapping[str, Any], path: Path, before: tuple[str, ...] | None
) -> tuple[str, ...] | None:
    key = "unqualified-search-registries"
    found = document.get(key)
    if found is None:
        return before
    try:
        return tuple(Repository(registry.rstrip("/"), "x").registry for registry in found)
    except (AttributeError, TypeError, InvalidReferenceError) as error:
        raise _wrong(path, key) from error


def _read(path: Path) -> dict[str, Any] | None:
    try:
        raw = path.read_bytes()
        if len(raw) > _FILE_LIMIT:
            raise _wrong(path, "its size")
        document = _parse(raw.decode("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        message = f"can't read {path}: {error.strerror}"
        raise UsageError(message) from error
    except ValueError as error:
        message = f"{path} is not TOML: {error}"
        raise UsageError(message) from error
    if "registries" in document:
        message = f"{path} is of version 1, which is not supported"
        raise UsageError(message, hint="write it as [[registry]] tables (version 2)")
    return document


def _parse(text: str) -> dict[str, Any]:
    plain = plain_aliases.read(text)
    if plain is not None:
        return plain
    import tomllib  # slow to load, and most machines have no other such file

    return tomllib.loads(text)


def _rule(table: Mapping[str, Any], path: Path) -> Rule:
    own = _location(table, path, required=False)
    prefix = _text(table, "prefix", path) or own.location
    if not prefix:
        raise _wrong(path, "a [[registry]] without prefix and location")
    only_digests = _flag(table, "mirror-by-digest-only", path)
    mirrors = tuple(
        _location(mirror, path, only_digests=only_digests)
        for mirror in _tables(table, "mirror", path)
    )
    return Rule(prefix.rstrip("/"), own, mirrors, _flag(table, "blocked", path))


def _location(
    table: Mapping[str, Any], path: Path, *, required: bool = True, only_digests: bool = False
) -> Location:
    location = _text(table, "location", path).rstrip("/")
    if not location and required:
        raise _wrong(path, "a mirror without location")
    pull = _text(table, "pull-from-mirror", path) or ("digest-only" if only_digests else "all")
    if pull not in _PULL_FROM:
        raise _wrong(path, "pull-from-mirror")
    by_tag, by_digest = _PULL_FROM[pull]
    return Location(location, _flag(table, "insecure", path), by_tag, by_digest)


def _tables(table: Mapping[str, Any], key: str, path: Path) -> list[Mapping[str, Any]]:
    found = table.get(key, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise _wrong(path, key)
    return found


def _text(table: Mapping[str, Any], key: str, path: Path) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise _wrong(path, key)
    return value


def _flag(table: Mapping[str, Any], key: str, path: Path) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise _wrong(path, key)
    return value


def _wrong(path: Path, what: str) -> UsageError:
    message = f"{path}: can't use {what}"
    return UsageError(message, expected="the form of containers-registries.conf(5)")
