"""`typing`, as far as it is there for type checkers only; and named tuples.

What stands for a type in an annotation has no meaning here: nobody looks at annotations.
"""

from __future__ import annotations

from _operator import itemgetter

TYPE_CHECKING = False


class _Form:
    """Whatever is put into its brackets, it stays what it is."""

    def __getitem__(self, _parameters):
        return self


Any = Final = Literal = NoReturn = _Form()


class Protocol:
    """What an object has to have, for those who read."""

    __slots__ = ()


class Generic:
    """A class that has to do with a type which its users choose."""

    __slots__ = ()

    def __class_getitem__(cls, _parameters):
        return cls


class TypedDict(dict):
    """What keys a dictionary has: its annotations, with those of its bases."""

    __slots__ = ()

    def __init_subclass__(cls, *, total=True):
        every = {}
        for kind in reversed(cls.__mro__):
            every.update(kind.__dict__.get("__annotations__", {}))  # noqa: RUF063 - inspect is slow to load
        cls.__annotations__ = every


def TypeVar(*_parameters, **_bounds):
    """A type that somebody chooses."""
    return _Form()


def overload(function):
    """One of the ways to call a function: the last definition is the function."""
    return function


def NewType(_name, _supertype):
    """A name for a type: for type checkers it is a type of its own."""
    return lambda value: value


class _NamedTupleType(type):
    """Makes a class of tuples of a class statement with annotations."""

    def __new__(cls, name, _bases, namespace):
        fields = tuple(namespace.get("__annotations__", ()))
        defaults = {field: namespace[field] for field in fields if field in namespace}
        made = {
            **_METHODS,
            "__new__": _constructor(fields, defaults),
            "__match_args__": fields,
            "__slots__": (),
            "_fields": fields,
            "_field_defaults": defaults,
        }
        getters = {field: property(itemgetter(number)) for number, field in enumerate(fields)}
        return type(name, (tuple,), {**made, **namespace, **getters})


def _constructor(fields, defaults):
    count = len(fields)

    def new(cls, /, *values, **named):
        if named or len(values) != count:
            values = _arranged(cls, fields, defaults, values, named)
        return tuple.__new__(cls, values)

    return new


def _arranged(cls, fields, defaults, values, named):
    """One value for each field."""
    given = dict(zip(fields, values, strict=False))
    unknown = [name for name in named if name not in fields or name in given]
    every = {**defaults, **given, **named}
    missing = [field for field in fields if field not in every]
    if len(values) > len(fields) or unknown or missing:
        message = f"{cls.__name__}(): wrong arguments: {missing or unknown or values!r}"
        raise TypeError(message)
    return tuple(every[field] for field in fields)


def _repr(self):
    fields = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
    return f"{type(self).__name__}({fields})"


def _asdict(self):
    return dict(zip(self._fields, self, strict=True))


def _replace(self, /, **changes):
    return type(self)(**{**self._asdict(), **changes})


def _getnewargs(self):
    return tuple(self)


_METHODS = {
    "__repr__": _repr,
    "__getnewargs__": _getnewargs,
    "_asdict": _asdict,
    "_replace": _replace,
}

NamedTuple = type.__new__(_NamedTupleType, "NamedTuple", (), {})
