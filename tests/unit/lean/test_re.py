from __future__ import annotations

import re

from imgfetch.lean import re as lean


def test_patterns_are_those_of_the_original() -> None:
    pattern = lean.compile(r"(?P<name>[a-z]+)=(\w)", lean.ASCII)
    match = pattern.fullmatch("abc=d")
    assert match is not None
    assert (match["name"], match[2]) == ("abc", "d")
    assert pattern.fullmatch("abc=é") is None
    assert pattern.flags == re.compile(r"(?P<name>[a-z]+)=(\w)", re.ASCII).flags
    assert lean.compile("A", lean.IGNORECASE).match("a")
    assert lean.fullmatch("a.", "a\n", lean.DOTALL)
    assert not lean.fullmatch("a.", "ab\n")
    assert lean.search("b", "abc")
    assert (lean.ASCII, lean.IGNORECASE) == (re.ASCII, re.IGNORECASE)
    assert lean.DOTALL == re.DOTALL


def test_a_pattern_is_compiled_once() -> None:
    pattern = lean.compile("a")
    assert pattern.sub("b", "aa") == "bb"
    first, second = pattern.sub, pattern.sub
    assert getattr(first, "__self__", 1) is getattr(second, "__self__", 2)
