"""Documents, whatever the bytes."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imgfetch.errors import DocumentError
from imgfetch.oci.document import INTEGER_LIMIT, Object, load

# JSON is UTF-8 here: there are no halves of surrogate pairs.
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(_TEXT, values, max_size=4),
    max_leaves=15,
)
OBJECTS = st.dictionaries(_TEXT, _VALUES, max_size=5)


def _loaded(raw: bytes) -> Object | DocumentError:
    """What becomes of bytes; anything else that is raised fails the test."""
    try:
        return load(raw, "document")
    except DocumentError as error:
        return error


@given(OBJECTS, st.booleans())
def test_every_json_object_is_read_as_it_is(value: dict[str, Any], escaped: bool) -> None:
    raw = json.dumps(value, ensure_ascii=escaped).encode()
    read = load(raw, "document")
    assert read.value == value
    assert json.dumps(read.value) == json.dumps(value)  # True is not 1, nor 1.0


@given(
    st.binary() | OBJECTS.map(lambda value: json.dumps(value).encode()),
    st.integers(0),
    st.binary(max_size=3),
)
@example(b"\xef\xbb\xbf{}", 0, b"")
@example(b'{"a":"\\ud800"}', 0, b"")
def test_any_bytes_are_a_document_or_an_error_of_ours(raw: bytes, place: int, more: bytes) -> None:
    """S045."""
    place %= len(raw) + 1
    bent = raw[:place] + more + raw[place:]
    read = _loaded(bent)
    if isinstance(read, DocumentError):
        assert read.message.startswith("document")
        assert len(read.message) < 1000
        return
    # What is accepted can be written again, and means the same to Python's own parser.
    assert json.loads(bent) == read.value
    json.dumps(read.value, ensure_ascii=False, allow_nan=False).encode()


@given(OBJECTS, _TEXT, _VALUES, _VALUES, st.integers(0, 3))
def test_a_key_given_twice_is_refused_at_any_depth(
    fields: dict[str, Any], name: str, first: object, second: object, depth: int
) -> None:
    """S038."""
    pairs = [(name, first), *((key, value) for key, value in fields.items() if key != name)]
    raw = ",".join(
        f"{json.dumps(key)}:{json.dumps(value)}" for key, value in [*pairs, (name, second)]
    )
    text = f"{{{raw}}}"
    for _ in range(depth):
        text = f'{{"outer":[{text}]}}'
    with pytest.raises(DocumentError, match="2 times in one object"):
        load(text.encode(), "document")


@given(st.sampled_from(["NaN", "Infinity", "-Infinity"]), st.integers(0, 3))
def test_what_only_python_takes_for_a_number_is_refused(constant: str, depth: int) -> None:
    """S035."""
    text = f'{{"a":{"[" * depth}{constant}{"]" * depth}}}'
    with pytest.raises(DocumentError, match=constant):
        load(text.encode(), "document")


@given(_VALUES)
@example(True)
@example(1.0)
@example(INTEGER_LIMIT)
@example(INTEGER_LIMIT + 1)
@example(-1)
def test_a_size_is_an_integer_in_range_and_nothing_else(value: object) -> None:
    """S035."""
    document = load(json.dumps({"size": value}).encode(), "document")
    if type(value) is int and 0 <= value <= INTEGER_LIMIT:
        assert document.integer("size") == value
    else:
        with pytest.raises(DocumentError):
            document.integer("size")


@given(
    st.floats(min_value=1, max_value=1e18).map(math.floor),
    st.sampled_from(["{}.0", "{}e0", "{}E+0"]),
)
def test_a_size_written_as_a_float_is_refused(size: int, form: str) -> None:
    """S035."""
    document = load(f'{{"size":{form.format(size)}}}'.encode(), "document")
    with pytest.raises(DocumentError):
        document.integer("size")


@given(st.integers(0xD800, 0xDFFF), _TEXT)
def test_half_a_surrogate_pair_is_refused_in_names_and_values(half: int, text: str) -> None:
    bad = json.dumps(text)[:-1] + f'\\u{half:x}"'
    for raw in (f'{{"a":{bad}}}', f"{{{bad}:1}}"):
        with pytest.raises(DocumentError):
            load(raw.encode(), "document")
