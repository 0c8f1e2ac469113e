"""Which names are given up for room."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imgfetch.workflow.evict import Candidate, Limits, choose

OLD = Candidate("old", 1, {"shared": 50, "a": 10})
MIDDLE = Candidate("middle", 2, {"shared": 50, "b": 20})
NEW = Candidate("new", 3, {"c": 30})
ALL = [NEW, OLD, MIDDLE]


def test_without_limits_nothing_goes() -> None:
    assert choose(ALL, Limits()) == []


def test_what_fits_stays() -> None:
    assert choose(ALL, Limits(size=110)) == []


def test_the_one_that_was_not_used_for_longest_goes_first() -> None:
    assert choose(ALL, Limits(size=109)) == ["old"]
    assert choose(ALL, Limits(size=100)) == ["old"]


def test_what_is_shared_is_freed_with_the_last_name() -> None:
    assert choose(ALL, Limits(size=99)) == ["old", "middle"]
    assert choose(ALL, Limits(size=30)) == ["old", "middle"]
    assert choose(ALL, Limits(size=29)) == ["old", "middle", "new"]


def test_what_is_needed_stays_whatever_it_costs() -> None:
    used = Candidate("used", 0, {"d": 1000}, needed=True)
    assert choose([*ALL, used], Limits(size=0)) == ["old", "middle", "new"]
    assert choose([used], Limits(used_since=10)) == []


def test_what_was_not_used_goes_whether_there_is_room_or_not() -> None:
    assert choose(ALL, Limits(used_since=3)) == ["old", "middle"]
    assert choose(ALL, Limits(used_since=3, size=0)) == ["old", "middle", "new"]


def test_names_of_one_image_go_together() -> None:
    alias = Candidate("alias", 1, OLD.parts)
    assert choose([*ALL, alias], Limits(size=109)) == ["alias", "old"]


@given(
    st.lists(
        st.builds(
            Candidate,
            st.uuids().map(str),
            st.floats(0, 10),
            st.dictionaries(st.sampled_from("abcdef"), st.just(7)),
            st.booleans(),
        )
    ),
    st.integers(0, 50),
)
def test_what_is_left_fits_unless_it_is_all_needed(candidates: list[Candidate], size: int) -> None:
    chosen = set(choose(candidates, Limits(size=size)))
    left = [one for one in candidates if one.name not in chosen]
    parts = {part for one in left for part in one.parts}
    assert len(parts) * 7 <= size or all(one.needed for one in left)
    assert not any(one.needed for one in candidates if one.name in chosen)
