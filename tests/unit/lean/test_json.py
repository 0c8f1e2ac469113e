from __future__ import annotations

import io
import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgfetch.lean import json as lean

if TYPE_CHECKING:
    from types import ModuleType

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def _outcome(module: ModuleType, text: str | bytes) -> object:
    """What a text is, or what is said about it."""
    try:
        return module.loads(text)
    except ValueError as error:
        return repr(error)


BROKEN = ["", " ", "{", "[1,]", "{} {}", "nul", "\ufeff{}", "[1", '"\x01"', "'a'", "01", "{1:2}"]


@given(VALUES)
def test_values_are_written_and_read_as_by_the_original(value: object) -> None:
    assert lean.dumps(value) == json.dumps(value)
    compact = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    assert lean.dumps(value, ensure_ascii=False, separators=(",", ":")) == compact
    assert lean.dumps(value, indent=2) == json.dumps(value, indent=2)
    assert lean.loads(f" \n{compact}\t") == json.loads(compact) == value


@given(st.text(st.sampled_from('[]{}",:0123e.-truefalsn \\\n')))
def test_text_is_taken_or_refused_as_by_the_original(text: str) -> None:
    assert _outcome(lean, text) == _outcome(json, text)


@pytest.mark.parametrize("text", BROKEN)
def test_broken_text_is_refused_in_the_same_words(text: str) -> None:
    with pytest.raises(json.JSONDecodeError) as expected:
        json.loads(text)
    with pytest.raises(json.JSONDecodeError) as caught:
        lean.loads(text)
    assert str(caught.value) == str(expected.value)


def test_hooks_are_called() -> None:
    def refuse(name: str) -> object:
        raise ValueError(name)

    assert lean.loads('{"a": 1, "a": 2}', object_pairs_hook=list) == [("a", 1), ("a", 2)]
    assert math.isnan(lean.loads("NaN"))
    assert lean.loads("[-Infinity, Infinity]") == [-math.inf, math.inf]
    with pytest.raises(ValueError, match="NaN"):
        lean.loads("[NaN]", parse_constant=refuse)


def test_bytes_are_read_too() -> None:
    assert lean.loads(b'{"a": "\xc3\xa9"}') == {"a": "é"}
    assert lean.loads('"é"'.encode("utf-16")) == "é"
    assert lean.loads(b'"\xed\xa0\x80"') == json.loads(b'"\xed\xa0\x80"')
    assert lean.load(io.BytesIO(b"[1]")) == lean.load(io.StringIO("[1]")) == [1]
    for broken in (b"\xef\xbb\xbf[1]", b'"\xff"'):
        assert _outcome(lean, broken) == _outcome(json, broken)


def test_nesting_has_its_limit_and_circles_are_refused() -> None:
    with pytest.raises(RecursionError):
        lean.loads("[" * 200_000)
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="Circular"):
        lean.dumps(circle)


def test_what_json_has_no_form_for_is_refused() -> None:
    with pytest.raises(TypeError, match="set is not JSON serializable"):
        lean.dumps({"a": set()})


def test_another_python_gets_the_original(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean, "make_scanner", None)
    monkeypatch.setattr(lean, "make_encoder", None)
    assert lean.loads('{"a": [1]}') == {"a": [1]}
    assert lean.dumps({"a": [1]}, separators=(",", ":")) == '{"a":[1]}'
