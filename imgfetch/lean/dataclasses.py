"""`dataclasses` without source text made and compiled, for classes whose bases have no fields.

The original writes methods for each class as text and has them compiled, each time the program
starts. Here all classes share a few functions. To make an instance takes about as long; to
define a class takes a twentieth of the time.

What the original does with data classes (`dataclasses.replace`, `asdict`, `fields`) works with
these too.
"""

from __future__ import annotations

_MISSING = object()


class _Field:
    """What there is to say of one field besides its name and its type."""

    __slots__ = ("compare", "default", "default_factory", "hash", "repr")

    def __init__(self, default, default_factory, repr, hash, compare):
        self.default = default
        self.default_factory = default_factory
        self.repr = repr
        self.hash = hash
        self.compare = compare


def field(
    *,
    default=_MISSING,
    default_factory=_MISSING,
    repr=True,
    hash=None,
    compare=True,
):
    """See `dataclasses.field`."""
    return _Field(default, default_factory, repr, hash, compare)


def dataclass(*, frozen=False, slots=False, repr=True):
    """See `dataclasses.dataclass`; there is none here without slots, and no base with fields."""

    def make(cls):
        # Bases may say what it is for; they have nothing in their instances.
        if not slots or any(base.__basicsize__ > object.__basicsize__ for base in cls.__bases__):
            message = f"{cls.__name__}: see the original for this kind of data class"
            raise TypeError(message)
        return _made(cls, frozen=frozen, with_repr=repr)

    return make


def replace(obj, /, **changes):
    """See `dataclasses.replace`."""
    kind = type(obj)
    for name in kind.__match_args__:
        if name not in changes:
            changes[name] = getattr(obj, name)
    return kind(**changes)


def _made(cls, *, frozen, with_repr):
    namespace = dict(cls.__dict__)
    # What the first class has as places for these.
    namespace.pop("__dict__", None)
    namespace.pop("__weakref__", None)
    names = tuple(cls.__annotations__)
    fields = {name: namespace.pop(name, _MISSING) for name in names}
    described = {name: one for name, one in fields.items() if isinstance(one, _Field)}
    namespace["__slots__"] = namespace["__match_args__"] = names
    namespace["__reduce__"] = _reduce
    namespace["__dataclass_fields__"] = _OriginalFields(fields)
    namespace.setdefault("__eq__", _eq(_those(names, described, _is_compared)))
    if frozen:
        namespace.setdefault("__hash__", _hash(_those(names, described, _is_hashed)))
        namespace["__setattr__"] = namespace["__delattr__"] = _refuse
    else:
        namespace.setdefault("__hash__", None)
    if with_repr:
        namespace.setdefault("__repr__", _repr(_those(names, described, _is_shown)))
    made = type(cls.__name__, cls.__bases__, namespace)
    made.__init__ = _init(made, fields)
    return made


def _those(names, described, chosen):
    """The names of fields that count for something: all of which nothing else is said."""
    if not described:
        return names
    return tuple(name for name in names if name not in described or chosen(described[name]))


def _is_compared(one):
    return one.compare


def _is_hashed(one):
    return one.compare if one.hash is None else one.hash


def _is_shown(one):
    return one.repr


def _init(cls, fields):
    names = tuple(fields)
    count = len(names)
    setters = tuple(cls.__dict__[name].__set__ for name in names)
    post_init = getattr(cls, "__post_init__", None)

    def __init__(self, /, *values, **named):
        if named or len(values) != count:
            values = _arranged(cls, fields, values, named)
        for set_value, value in zip(setters, values):  # noqa: B905 - are as many; it is slower
            set_value(self, value)
        if post_init is not None:
            post_init(self)

    return __init__


def _arranged(cls, fields, values, named):
    """One value for each field."""
    names = tuple(fields)
    arranged = list(values)
    for name in names[len(values) :]:
        if name in named:
            arranged.append(named.pop(name))
            continue
        default = fields[name]
        if isinstance(default, _Field):
            made = default.default_factory
            default = default.default if made is _MISSING else made()
        if default is not _MISSING:
            arranged.append(default)
        else:
            message = f"{cls.__name__}(): missing argument {name!r}"
            raise TypeError(message)
    if named or len(arranged) != len(names):
        message = f"{cls.__name__}(): unexpected arguments {list(named) or values!r}"
        raise TypeError(message)
    return arranged


def _eq(names):
    def __eq__(self, other):
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in names)

    return __eq__


def _hash(names):
    def __hash__(self):
        return hash(tuple([getattr(self, name) for name in names]))

    return __hash__


def _repr(names):
    def __repr__(self):
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__qualname__}({fields})"

    return __repr__


def _reduce(self):
    """For copies: they are made as the original was, since nothing can be set in a frozen one."""
    return type(self), tuple([getattr(self, name) for name in self.__match_args__])


def _refuse(_self, name, _value=None):
    from dataclasses import FrozenInstanceError

    message = f"cannot assign to field {name!r}"
    raise FrozenInstanceError(message)


class _OriginalFields:
    """The fields as the original describes them, when somebody asks."""

    __slots__ = ("_described", "_fields")

    def __init__(self, fields):
        self._fields = fields
        self._described = None

    def __get__(self, _instance, owner):
        if self._described is None:
            self._described = _described(owner, self._fields)
        return self._described


def _described(owner, fields):
    import dataclasses

    def translated(one):
        if not isinstance(one, _Field):
            one = field(default=one)
        given = {"repr": one.repr, "hash": one.hash, "compare": one.compare}
        for name in ("default", "default_factory"):
            if getattr(one, name) is not _MISSING:
                given[name] = getattr(one, name)
        return dataclasses.field(**given)

    declared = [
        (name, owner.__annotations__[name], translated(one)) for name, one in fields.items()
    ]
    return dataclasses.make_dataclass(owner.__name__, declared).__dataclass_fields__
