"""Values and errors on their way between a program and its children, as JSON.

Values are those of this package that are made of fields (data classes, named tuples), and
what JSON has, with tuples and lists told apart. Both sides are the same package, and the
pipe between them is nobody else's; still nothing is made that is not such a value.
"""

from __future__ import annotations

from imgfetch.lean import json
from imgfetch.lean.typing import Any, Final

_PACKAGE: Final = "imgfetch."
_KIND: Final = "@"
_SCALARS: Final = (str, int, float, bool, type(None))


def dumps(message: dict[str, Any]) -> bytes:
    """A message as one line; what is no UTF-8 in it is written as JSON escapes."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def loads(line: bytes) -> dict[str, Any]:
    """A message."""
    message: dict[str, Any] = json.loads(line)
    return message


def encode(value: Any) -> Any:  # noqa: ANN401 - whatever a verb takes or gives
    """A value as JSON has it.

    Raises:
        TypeError: not a value of this package, nor of JSON.
    """
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is tuple:
        return [encode(item) for item in value]
    if kind is list:
        return {_KIND: "list", "of": [encode(item) for item in value]}
    if isinstance(value, dict):
        return {_KIND: "dict", "of": [[encode(key), encode(value[key])] for key in value]}
    if kind.__module__.startswith(_PACKAGE):
        fields = {name: encode(getattr(value, name)) for name in _fields(kind)}
        return {_KIND: f"{kind.__module__}:{kind.__qualname__}", "of": fields}
    message = f"a value of {kind.__module__}.{kind.__qualname__} can't be passed on"
    raise TypeError(message)


def decode(value: Any) -> Any:  # noqa: ANN401 - whatever a verb takes or gives
    """A value from what `encode` made of it.

    Raises:
        TypeError: not a value of this package, nor of JSON.
    """
    if isinstance(value, list):
        return tuple(map(decode, value))
    if not isinstance(value, dict):
        return value
    kind, content = value[_KIND], value["of"]
    if kind == "list":
        return list(map(decode, content))
    if kind == "dict":
        return {decode(key): decode(item) for key, item in content}
    module, _, name = kind.partition(":")
    if not module.startswith(_PACKAGE):
        message = f"a value of {kind} can't be passed on"
        raise TypeError(message)
    from importlib import import_module

    made = getattr(import_module(module), name)
    _fields(made)  # nothing but values is made
    return made(**{field: decode(item) for field, item in content.items()})


def _fields(kind: type) -> tuple[str, ...]:
    """The names that a value of a class is made from."""
    for source in ("_fields", "__match_args__", "__dataclass_fields__"):
        names = getattr(kind, source, None)
        if names is not None and not issubclass(kind, BaseException):
            return tuple(names)
    message = f"{kind.__module__}.{kind.__qualname__} is no value"
    raise TypeError(message)
