"""Strict JSON documents.

Python's decoder keeps the last of duplicate keys, reads ``1e3`` as a float, takes
NaN, and gives up with RecursionError on deep nesting: each of these lets two
parsers see two documents in the same bytes (image-spec considerations.md;
CVE-2021-41190 class). Here they are errors, and so is any value of another type
than the specification's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imgfetch.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

# distribution-spec "Pushing Manifests": registries should accept 4 MiB manifests.
MANIFEST_LIMIT = 4 << 20
CONFIG_LIMIT = 8 << 20
# More entries than any real image has, few enough to stay cheap.
ENTRY_LIMIT = 10_000
INTEGER_LIMIT = 2**63 - 1


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        duplicate = next(key for key, _ in pairs if key in seen or seen.add(key))
        message = f"key {duplicate!r} twice in one object"
        raise ValueError(message)
    return result


def _no_constant(name: str) -> Any:  # noqa: ANN401 - the signature json asks for
    message = f"{name} is not JSON"
    raise ValueError(message)


def load(raw: bytes, what: str, *, limit: int = MANIFEST_LIMIT) -> Object:
    """Decode one JSON object.

    Args:
        raw: the document's bytes, UTF-8.
        what: what it is, for errors: ``manifest sha256:…``.
        limit: the longest document accepted, in bytes.

    Raises:
        DocumentError: too long, not JSON, ambiguous, or not an object.
    """
    if len(raw) > limit:
        message = f"{what} is too large"
        raise DocumentError(message, expected=f"at most {limit} bytes", actual=f"{len(raw)} bytes")
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constant,
        )
    except RecursionError:
        message = f"{what} is nested too deeply"
        raise DocumentError(message) from None
    except ValueError as error:
        message = f"{what} is not valid JSON: {str(error)[:120]}"
        raise DocumentError(message) from error
    if not isinstance(value, dict):
        message = f"{what} is not a JSON object"
        raise DocumentError(message, actual=type(value).__name__)
    return Object(value, what)


@dataclass(frozen=True, slots=True)
class Object:
    """A JSON object whose fields are read with the type that the specification gives.

    ``null`` counts as absent everywhere, as in Go's decoder, with which practically
    all images are written.

    Attributes:
        value: the decoded object.
        where: what it is, for errors.
    """

    value: Mapping[str, Any]
    where: str

    def __contains__(self, key: str) -> bool:
        """Whether there is a field of that name other than null."""
        return self.value.get(key) is not None

    def _wrong(self, key: str, expected: str) -> DocumentError:
        actual = self.value.get(key)
        name = "nothing" if actual is None else type(actual).__name__
        message = f"{self.where}: wrong type in field {key!r}"
        return DocumentError(message, expected=expected, actual=name)

    def string(self, key: str, default: str | None = None) -> str:
        """A string; the default when absent, an error when there is none."""
        value = self.value.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise self._wrong(key, "a string")
        return value

    def optional_string(self, key: str) -> str | None:
        """A string, or None when absent."""
        return self.string(key) if key in self else None

    def integer(self, key: str) -> int:
        """An integer from 0 to 2^63-1: no boolean, no float (S035)."""
        value = self.value.get(key)
        if type(value) is not int or not 0 <= value <= INTEGER_LIMIT:
            raise self._wrong(key, "an integer from 0 to 2^63-1")
        return value

    def boolean(self, key: str) -> bool:
        """A boolean, False when absent."""
        value = self.value.get(key, False)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        """A list of strings, empty when absent."""
        values = self._list(key)
        if not all(isinstance(value, str) for value in values):
            raise self._wrong(key, "a list of strings")
        return tuple(values)

    def string_map(self, key: str) -> dict[str, str]:
        """A map of strings to strings, empty when absent."""
        value = self.value.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            raise self._wrong(key, "a map of strings")
        return dict(value)

    def keys(self, key: str) -> tuple[str, ...]:
        """The keys of a Go ``map[string]struct{}``, empty when absent."""
        value = self.value.get(key)
        if value is None:
            return ()
        if not isinstance(value, dict):
            raise self._wrong(key, "an object")
        return tuple(value)

    def object(self, key: str) -> Object:
        """An object that has to be there."""
        value = self.value.get(key)
        if not isinstance(value, dict):
            raise self._wrong(key, "an object")
        return Object(value, f"{self.where}.{key}")

    def optional_object(self, key: str) -> Object | None:
        """An object, or None when absent."""
        return self.object(key) if key in self else None

    def objects(self, key: str) -> tuple[Object, ...]:
        """A list of objects, empty when absent."""
        values = self._list(key)
        if not all(isinstance(value, dict) for value in values):
            raise self._wrong(key, "a list of objects")
        return tuple(
            Object(value, f"{self.where}.{key}[{number}]") for number, value in enumerate(values)
        )

    def _list(self, key: str) -> list[Any]:
        value = self.value.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong(key, "a list")
        if len(value) > ENTRY_LIMIT:
            message = f"{self.where}: too many entries in {key!r}"
            raise DocumentError(message, expected=f"at most {ENTRY_LIMIT}", actual=len(value))
        return value
