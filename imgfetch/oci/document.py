"""Strict JSON documents.

image-spec considerations.md leaves JSON to its parsers, and they differ: Python's keeps
the last of duplicate keys, takes NaN, reads ``1e3`` where an integer belongs and gives
up with RecursionError on deep nesting; Go's takes ``Layers`` for ``layers`` and replaces
half a surrogate pair. Where two parsers could see two documents in the same verified
bytes (the class of CVE-2021-41190) there is an error here, and so there is where a value
is of another type than the specification's. Unknown fields are ignored, as it demands.
"""

from __future__ import annotations

from imgfetch.errors import DocumentError, InvalidDigestError
from imgfetch.lean import json
from imgfetch.lean.dataclasses import dataclass
from imgfetch.lean.typing import TYPE_CHECKING, Any, NoReturn
from imgfetch.oci.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Mapping

# distribution-spec "Pushing Manifests": registries should accept 4 MiB manifests.
MANIFEST_LIMIT = 4 << 20
CONFIG_LIMIT = 8 << 20
# Entries of a list, fields of an object: more than any real image has, few enough to
# stay cheap.
ENTRY_LIMIT = 10_000
INTEGER_LIMIT = 2**63 - 1

_KINDS: dict[type, str] = {
    bool: "a boolean",
    dict: "an object",
    list: "a list",
    str: "a string",
}


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
        value = _decode(raw)
    except RecursionError:
        # Its traceback has a thousand lines and tells nothing.
        message = f"{what} is nested too deeply"
        raise DocumentError(message) from None
    except ValueError as error:
        message = f"{what} is not valid JSON: {str(error)[:200]}"
        raise DocumentError(message) from error
    if not isinstance(value, dict):
        message = f"{what} is not a JSON object"
        raise DocumentError(message, actual=_kind(value))
    return Object(value, what)


def _decode(raw: bytes) -> object:
    text = raw.decode("utf-8")
    value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    if "\\ud" in text or "\\uD" in text:
        # An escape can stand for half a surrogate pair, which no UTF-8 can: such a string
        # would fail later, when it becomes a path or is printed. Encoding finds it now.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > ENTRY_LIMIT:
        message = f"an object of {len(pairs)} fields, where {ENTRY_LIMIT} are the limit"
        raise ValueError(message)
    result = dict(pairs)
    if len(result) != len(pairs):
        from collections import Counter

        (duplicate, times), *_ = Counter(name for name, _ in pairs).most_common(1)
        message = f"{duplicate[:100]!r} is {times} times in one object"
        raise ValueError(message)
    return result


def _constant(name: str) -> NoReturn:
    message = f"{name} is no number of JSON's"
    raise ValueError(message)


def _element(key: str, place: object) -> str:
    """The name of a list's or a map's element, for errors."""
    return f"{key}[{str(place)[:100]}]"


def _kind(value: object) -> str:
    """What a value is, for errors; numbers as they are."""
    return _KINDS.get(type(value)) or str(value)[:40]


@dataclass(frozen=True, slots=True)
class Object:
    """A JSON object whose fields are read with the type that the specification gives.

    A field that is ``null`` counts as absent, as in Go's decoder, with which practically
    all images are written. A field whose name differs from the one read in nothing but
    case is an error: that decoder would take it, and others would not.

    Attributes:
        value: the decoded object.
        where: what it is, for errors.
    """

    value: Mapping[str, Any]
    where: str

    def __contains__(self, key: str) -> bool:
        return self._get(key) is not None

    def string(self, key: str, default: str | None = None) -> str:
        """A string; the default when absent, an error when there is none."""
        value = self._get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise _wrong(self.where, key, "a string", value)
        return value

    def optional_string(self, key: str) -> str | None:
        """A string, or None when absent."""
        return self.string(key) if key in self else None

    def integer(self, key: str) -> int:
        """An integer from 0 to 2^63-1: no boolean, no float."""
        value = self._get(key)
        # bool is a subclass of int.
        if type(value) is not int or not 0 <= value <= INTEGER_LIMIT:
            raise _wrong(self.where, key, "an integer from 0 to 2^63-1", value)
        return value

    def boolean(self, key: str) -> bool:
        """A boolean, False when absent."""
        value = self._get(key)
        if value is not None and not isinstance(value, bool):
            raise _wrong(self.where, key, "true or false", value)
        return value or False

    def digest(self, key: str) -> Digest:
        """A digest.

        Raises:
            InvalidDigestError: outside the grammar.
        """
        return self._digest(key, self.string(key))

    def digests(self, key: str) -> tuple[Digest, ...]:
        """A list of digests, empty when absent.

        Raises:
            InvalidDigestError: one is outside the grammar.
        """
        texts = enumerate(self.strings(key))
        return tuple(self._digest(_element(key, number), text) for number, text in texts)

    def strings(self, key: str) -> tuple[str, ...]:
        """A list of strings, empty when absent."""
        values = self._list(key)
        for number, value in enumerate(values):
            if not isinstance(value, str):
                raise _wrong(self.where, _element(key, number), "a string", value)
        return tuple(values)

    def string_map(self, key: str) -> dict[str, str]:
        """A map of strings to strings, empty when absent."""
        values = self._map(key)
        for name, value in values.items():
            if not isinstance(value, str):
                raise _wrong(self.where, _element(key, name), "a string", value)
        return values

    def keys(self, key: str) -> tuple[str, ...]:
        """The keys of a Go ``map[string]struct{}``, empty when absent."""
        return tuple(self._map(key))

    def object(self, key: str) -> Object:
        """An object that has to be there."""
        value = self._get(key)
        if not isinstance(value, dict):
            raise _wrong(self.where, key, "an object", value)
        return Object(value, f"{self.where}.{key}")

    def optional_object(self, key: str) -> Object | None:
        """An object, or None when absent."""
        return self.object(key) if key in self else None

    def objects(self, key: str) -> tuple[Object, ...]:
        """A list of objects, empty when absent."""
        values = self._list(key)
        for number, value in enumerate(values):
            if not isinstance(value, dict):
                raise _wrong(self.where, _element(key, number), "an object", value)
        return tuple(
            Object(value, f"{self.where}.{_element(key, number)}")
            for number, value in enumerate(values)
        )

    def _get(self, key: str) -> Any:  # noqa: ANN401 - anything JSON has
        folded = key.casefold()
        for name in self.value:
            if name != key and name.casefold() == folded:
                message = f"{self.where}: some parsers take field {name!r} for {key!r}: refused"
                raise DocumentError(
                    message,
                    hint=f"the specification's name is {key!r}",
                )
        return self.value.get(key)

    def _list(self, key: str) -> list[Any]:
        value = self._get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise _wrong(self.where, key, "a list", value)
        if len(value) > ENTRY_LIMIT:
            message = f"{self.where}: too many entries in {key!r}"
            raise DocumentError(
                message,
                expected=f"at most {ENTRY_LIMIT}",
                actual=len(value),
            )
        return value

    def _map(self, key: str) -> dict[str, Any]:
        value = self._get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise _wrong(self.where, key, "an object", value)
        return dict(value)

    def _digest(self, name: str, text: str) -> Digest:
        try:
            return Digest.parse(text)
        except InvalidDigestError as error:
            message = f"{self.where}: {name}: {error.message}"
            raise InvalidDigestError(message, expected=error.expected) from error


def _wrong(where: str, name: str, expected: str, value: object) -> DocumentError:
    if value is None:
        return DocumentError(f"{where}: no {name!r}", expected=expected)
    message = f"{where}: {name!r} is of a wrong type or out of range"
    return DocumentError(message, expected=expected, actual=_kind(value))
