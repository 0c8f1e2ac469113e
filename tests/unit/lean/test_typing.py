from __future__ import annotations

import copy
import pickle
import typing

import pytest

from imgfetch.lean import typing as lean


class OriginalPort(typing.NamedTuple):
    """A port."""

    number: int
    protocol: str = "tcp"

    @property
    def text(self) -> str:
        return f"{self.number}/{self.protocol}"

    @classmethod
    def parse(cls, text: str) -> typing.Self:
        number, _, protocol = text.partition("/")
        return cls(int(number), protocol)

    def __str__(self) -> str:
        return self.text


class LeanPort(lean.NamedTuple):
    """A port."""

    number: int
    protocol: str = "tcp"

    @property
    def text(self) -> str:
        return f"{self.number}/{self.protocol}"

    @classmethod
    def parse(cls, text: str) -> typing.Self:
        number, _, protocol = text.partition("/")
        return cls(int(number), protocol)

    def __str__(self) -> str:
        return self.text


@pytest.fixture(params=[OriginalPort, LeanPort])
def port(request: pytest.FixtureRequest) -> type[OriginalPort]:
    """The same class, made by the original and by ours."""
    kind: type[OriginalPort] = request.param
    return kind


def test_a_named_tuple_is_a_tuple_with_names(port: type[OriginalPort]) -> None:
    made = port(80)
    number, protocol = made
    assert (number, protocol) == made == (80, "tcp") == port(protocol="tcp", number=80)
    assert (made.number, made.protocol, made[1]) == (80, "tcp", "tcp")
    assert isinstance(made, tuple)
    assert hash(made) == hash((80, "tcp"))
    assert sorted([port(9), port(8)]) == [(8, "tcp"), (9, "tcp")]
    assert port.__doc__ == "A port."


def test_methods_are_the_classes_own(port: type[OriginalPort]) -> None:
    made = port.parse("53/udp")
    assert (made.text, str(made)) == ("53/udp", "53/udp")
    assert repr(made) == f"{port.__name__}(number=53, protocol='udp')"


def test_fields_are_known(port: type[OriginalPort]) -> None:
    assert port._fields == ("number", "protocol")
    assert port._field_defaults == {"protocol": "tcp"}
    assert port(80)._asdict() == {"number": 80, "protocol": "tcp"}
    assert port(80)._replace(number=81) == (81, "tcp")
    assert type(port(80)._replace(number=81)) is port


def test_named_tuples_can_be_copied_and_matched(port: type[OriginalPort]) -> None:
    made = port(80)
    assert copy.deepcopy(made) == pickle.loads(pickle.dumps(made)) == made  # noqa: S301 - our own
    assert type(copy.copy(made)) is port
    match made:
        case (number, protocol):
            assert (number, protocol) == (80, "tcp")
        case _:
            pytest.fail("no match")
    with pytest.raises(AttributeError):
        made.number = 1  # type: ignore[misc]  # that is what is tested


@pytest.mark.parametrize(
    ("values", "named"),
    [((), {}), ((1, "tcp", 3), {}), ((1,), {"number": 1}), ((1,), {"other": 1})],
    ids=["missing", "too many", "twice", "unknown"],
)
def test_wrong_arguments_are_refused(
    port: type[OriginalPort], values: tuple[object, ...], named: dict[str, object]
) -> None:
    with pytest.raises(TypeError):
        typing.cast("typing.Any", port)(*values, **named)


def test_unknown_fields_can_not_be_replaced(port: type[OriginalPort]) -> None:
    with pytest.raises((TypeError, ValueError)):
        typing.cast("typing.Any", port(1))._replace(other=1)


def test_named_types_are_the_types_themselves() -> None:
    for module in (typing, lean):
        name: typing.Callable[[str, type], typing.Any] = module.NewType
        assert name("Width", int)(7) == 7


def test_forms_take_whatever_they_are_given() -> None:
    assert lean.Literal["a", "b"] is not None
    assert lean.TYPE_CHECKING is False


def test_generic_classes_take_types_and_stay_what_they_are() -> None:
    output = lean.TypeVar("output", bytes, str)

    class Box(lean.Generic[output]):
        __slots__ = ("content",)

    assert Box[str] is Box
    assert not hasattr(Box(), "__dict__")


def test_typed_dictionaries_know_their_keys() -> None:
    class Base(lean.TypedDict, total=False):
        name: str

    class Further(Base, total=False):
        size: int

    assert set(Further.__annotations__) == {"name", "size"}
    assert set(Base.__annotations__) == {"name"}
    assert Further(name="a", size=1) == {"name": "a", "size": 1}


def test_the_last_definition_is_the_function() -> None:
    @lean.overload
    def double(value: int) -> int: ...

    @lean.overload
    def double(value: str) -> str: ...

    def double(value: int | str) -> int | str:
        return value * 2

    assert (double(2), double("a")) == (4, "aa")
