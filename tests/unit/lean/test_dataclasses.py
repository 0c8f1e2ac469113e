from __future__ import annotations

import copy
import dataclasses
import types

import pytest

from imgfetch.lean import dataclasses as lean


@pytest.fixture(params=[dataclasses, lean], ids=["original", "lean"])
def made(request: pytest.FixtureRequest) -> types.SimpleNamespace:
    """The same classes, made by the original and by ours."""
    module = request.param

    @module.dataclass(frozen=True, slots=True)
    class Point:
        x: int
        y: int = 2
        notes: dict[str, int] = module.field(default_factory=dict, hash=False)
        secret: str = module.field(default="s", repr=False)
        origin: str = module.field(default="", compare=False)

        def __post_init__(self) -> None:
            if self.x < 0:
                message = "negative"
                raise ValueError(message)

        @property
        def total(self) -> int:
            return self.x + self.y

    @module.dataclass(slots=True)
    class Counter:
        count: int = 0
        names: list[str] = module.field(default_factory=list)

    @module.dataclass(frozen=True, slots=True)
    class Named:
        name: str

        def __str__(self) -> str:
            return f"<{self.name}>"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Named) and other.name.lower() == self.name.lower()

        def __hash__(self) -> int:
            return hash(self.name.lower())

    @module.dataclass(frozen=True, slots=True, repr=False)
    class Hidden:
        token: str

    return types.SimpleNamespace(
        Point=Point, Counter=Counter, Named=Named, Hidden=Hidden, replace=module.replace
    )


def test_fields_are_given_by_place_or_by_name(made: types.SimpleNamespace) -> None:
    point = made.Point(1, 5, secret="t")
    assert (point.x, point.y, point.notes, point.secret, point.total) == (1, 5, {}, "t", 6)
    assert made.Point(1, 2, {"a": 1}, "s", "here").origin == "here"


@pytest.mark.parametrize(
    ("values", "named"),
    [((), {}), ((1,), {"x": 1}), ((1,), {"z": 1}), ((1, 2, {}, "", "", 6), {})],
    ids=["missing", "twice", "unknown", "too many"],
)
def test_wrong_arguments_are_refused(
    made: types.SimpleNamespace, values: tuple[object, ...], named: dict[str, object]
) -> None:
    with pytest.raises(TypeError, match=r"__init__\(\)|Point\(\)"):
        made.Point(*values, **named)


def test_instances_check_themselves(made: types.SimpleNamespace) -> None:
    with pytest.raises(ValueError, match="negative"):
        made.Point(-1)
    with pytest.raises(ValueError, match="negative"):
        made.replace(made.Point(1), x=-1)


def test_equality_and_hash_are_those_of_the_fields(made: types.SimpleNamespace) -> None:
    assert made.Point(1, origin="a") == made.Point(1, origin="b")
    assert made.Point(1) != made.Point(2)
    assert made.Point(1) != (1, 2, {}, "s", "")
    assert hash(made.Point(1, notes={"a": 1})) == hash(made.Point(1, origin="b"))
    assert len({made.Point(1), made.Point(1), made.Point(3)}) == 2


def test_own_methods_are_kept(made: types.SimpleNamespace) -> None:
    assert str(made.Named("a")) == "<a>"
    assert made.Named("a") == made.Named("A")
    assert len({made.Named("a"), made.Named("A")}) == 1


def test_representation_names_the_fields(made: types.SimpleNamespace) -> None:
    assert repr(made.Point(1)).endswith("Point(x=1, y=2, notes={}, origin='')")
    assert "secret" not in repr(made.Hidden("secret"))


def test_what_is_frozen_can_not_be_changed(made: types.SimpleNamespace) -> None:
    point = made.Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.x = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        del point.x
    assert not hasattr(point, "__dict__")


def test_what_is_not_frozen_can_be_changed_and_not_hashed(made: types.SimpleNamespace) -> None:
    counter = made.Counter()
    counter.count += 1
    counter.names.append("a")
    assert counter == made.Counter(1, ["a"])
    assert made.Counter().names == []
    assert made.Counter.__hash__ is None
    with pytest.raises(AttributeError):
        counter.other = 1


def test_a_copy_can_have_other_values(made: types.SimpleNamespace) -> None:
    point = made.Point(1, origin="here")
    assert made.replace(point, y=7).total == 8
    assert made.replace(point, y=7).origin == "here"
    with pytest.raises(TypeError):
        made.replace(point, unknown=1)
    assert copy.copy(point) == copy.deepcopy(point) == point


def test_patterns_match(made: types.SimpleNamespace) -> None:
    match made.Point(4, 5):
        case made.Point(4, y, origin=""):
            assert y == 5
        case _:
            pytest.fail("no match")


def test_the_originals_functions_work(made: types.SimpleNamespace) -> None:
    point = made.Point(1)
    assert [field.name for field in dataclasses.fields(made.Point)] == [
        "x",
        "y",
        "notes",
        "secret",
        "origin",
    ]
    assert dataclasses.asdict(point) == {
        "x": 1, "y": 2, "notes": {}, "secret": "s", "origin": ""
    }  # fmt: skip
    assert dataclasses.replace(point, y=3).y == 3
    assert [field.compare for field in dataclasses.fields(point)][-1] is False


def test_bases_without_fields_are_kept() -> None:
    class Base:
        __slots__ = ()

        def double(self) -> int:
            return 2 * getattr(self, "x", 0)

    @lean.dataclass(frozen=True, slots=True)
    class Derived(Base):
        x: int

    assert Derived(4).double() == 8
    assert not hasattr(Derived(4), "__dict__")


def test_what_is_not_supported_is_refused() -> None:
    class Base:
        pass

    with pytest.raises(TypeError, match="see the original"):

        @lean.dataclass(frozen=True)
        class WithDict:
            x: int

    with pytest.raises(TypeError, match="see the original"):

        @lean.dataclass(frozen=True, slots=True)
        class Derived(Base):
            x: int
