"""Strict JSON: one reading of the bytes, or an error."""

from __future__ import annotations

import sys

import pytest

from imgfetch.errors import DocumentError, InvalidDigestError
from imgfetch.oci.digest import Digest
from imgfetch.oci.document import (
    CONFIG_LIMIT,
    ENTRY_LIMIT,
    INTEGER_LIMIT,
    MANIFEST_LIMIT,
    Object,
    load,
)
from tests.support.documents import digest, encode


def _load(value: object) -> Object:
    return load(encode(value), "document")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{",
        b"{}{}",
        b"{} x",
        b"{'a': 1}",
        b'{"a": 1,}',
        b"{a: 1}",
        b'{"a": 01}',
        b'{"a": .5}',
        b'{"a": 0x1}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": "\n"}',
        b'{"a": "\x00"}',
        b"// comment\n{}",
        b"\xef\xbb\xbf{}",
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": "\xc0\xaf"}',
        '{"a": "é"}'.encode("latin-1"),
        "{}".encode("utf-16"),
        b'{"a": ' + b"1" * 5000 + b"}",
        b"<html>not found</html>",
        b"\x1f\x8b\x08\x00",
    ],
)
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    """S035, S045: NaN, 5000 digits, a byte order mark, bytes that are not UTF-8."""
    with pytest.raises(DocumentError, match=r"^document is not valid JSON: "):
        load(raw, "document")


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"[]", "a list"),
        (b"null", "None"),
        (b"1", "1"),
        (b"1.5", "1.5"),
        (b"true", "a boolean"),
        (b'"{}"', "a string"),
        (b'[{"layers": []}]', "a list"),
    ],
)
def test_what_is_not_an_object_is_refused(raw: bytes, kind: str) -> None:
    """S045: a list at top level."""
    with pytest.raises(DocumentError) as caught:
        load(raw, "document")
    assert caught.value.lines() == ["document is not a JSON object", f"got      {kind}"]


@pytest.mark.parametrize(
    "raw",
    [
        b'{"layers": [1], "layers": [2]}',
        b'{"layers": [1], "layers": [1]}',
        b'{"a": 1, "\\u0061": 2}',
        b'{"config": {"User": "app", "Cmd": [], "User": "root"}}',
        b'{"a": [{"b": {"c": 1, "c": null}}]}',
    ],
)
def test_duplicate_keys_are_refused_however_deep(raw: bytes) -> None:
    """S038."""
    with pytest.raises(DocumentError, match=r"is 2 times in one object$"):
        load(raw, "document")


def test_equal_keys_of_different_objects_are_fine() -> None:
    assert load(b'{"a": {"b": 1}, "b": {"b": 1}}', "document").value == {
        "a": {"b": 1},
        "b": {"b": 1},
    }


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_deep_nesting_is_refused_in_a_line(opening: bytes) -> None:
    """S037: no RecursionError."""
    with pytest.raises(DocumentError) as caught:
        load(opening * 100_000, "document")
    assert caught.value.lines() == ["document is nested too deeply"]
    assert caught.value.__cause__ is None


def test_the_limit_is_on_bytes_and_comes_first() -> None:
    """S037: what is too long is not even decoded."""
    raw = b"{}" + b" " * (MANIFEST_LIMIT - 2)
    assert load(raw, "document").value == {}
    with pytest.raises(DocumentError) as caught:
        load(b"\xff" * (MANIFEST_LIMIT + 1), "document")
    assert caught.value.lines() == [
        "document is too large",
        "expected at most 4194304 bytes",
        "got      4194305 bytes",
    ]


def test_the_limit_can_be_another() -> None:
    raw = b"{}" + b" " * MANIFEST_LIMIT
    assert load(raw, "config", limit=CONFIG_LIMIT).value == {}


def test_lists_have_a_limit() -> None:
    """S037: 10^6 layers."""
    read = _load({"fits": [""] * ENTRY_LIMIT, "wide": [""] * (ENTRY_LIMIT + 1)})
    assert len(read.strings("fits")) == ENTRY_LIMIT
    with pytest.raises(DocumentError) as caught:
        read.objects("wide")
    assert caught.value.lines() == [
        "document: too many entries in 'wide'",
        "expected at most 10000",
        "got      10001",
    ]


def test_objects_have_a_limit() -> None:
    """S037: reading a field looks at all names of its object."""
    assert len(_load({str(number): 0 for number in range(ENTRY_LIMIT)}).value) == ENTRY_LIMIT
    with pytest.raises(DocumentError, match="an object of 10001 fields"):
        _load({"a": {str(number): 0 for number in range(ENTRY_LIMIT + 1)}})


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a": "\\ud800"}',
        b'{"a": "\\uDFFF"}',
        b'{"a": "\\ude00\\ud83d"}',
        b'{"\\ud800": 1}',
        b'{"a": [["\\\\\\udc00"]]}',
    ],
)
def test_half_a_surrogate_pair_is_refused(raw: bytes) -> None:
    """No UTF-8 has it: it would fail where the string becomes a path or is printed."""
    with pytest.raises(DocumentError, match="surrogates not allowed"):
        load(raw, "document")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b'{"a": "\\ud83d\\ude00"}', "\N{GRINNING FACE}"),
        (b'{"a": "\\uD83D\\uDE00"}', "\N{GRINNING FACE}"),
        (b'{"a": "\\\\ud800"}', "\\ud800"),
        ('{"a": "\N{GRINNING FACE}"}'.encode(), "\N{GRINNING FACE}"),
    ],
)
def test_whole_pairs_and_escaped_escapes_are_text(raw: bytes, text: str) -> None:
    assert load(raw, "document").string("a") == text


@pytest.mark.parametrize("name", ["Layers", "LAYERS", "layer\N{LATIN SMALL LETTER LONG S}"])
@pytest.mark.parametrize("with_the_real_one", [False, True])
def test_a_name_that_gos_decoder_takes_for_another_is_refused(
    name: str, with_the_real_one: bool
) -> None:
    """S038: Go matches names without case, the long s and the Kelvin sign included."""
    fields: dict[str, object] = {"layers": []} if with_the_real_one else {}
    read = _load({**fields, name: []})
    with pytest.raises(DocumentError) as caught:
        read.objects("layers")
    assert caught.value.lines() == [
        f"document: some parsers take field {name!r} for 'layers': refused",
        "the specification's name is 'layers'",
    ]
    with pytest.raises(DocumentError):
        assert "layers" in read


def test_names_that_differ_in_case_are_fine_where_names_are_data() -> None:
    labels = {"Version": "1", "version": "2"}
    assert _load({"Labels": labels}).string_map("Labels") == labels
    assert _load({"Volumes": {"/A": {}, "/a": {}}}).keys("Volumes") == ("/A", "/a")


def test_unknown_fields_are_ignored() -> None:
    """R076; considerations.md "Extensibility"."""
    assert _load({"a": "x", "new": [1.5, {"b": None}]}).string("a") == "x"


def _read(reader: str, value: object, *arguments: str) -> object:
    """Reads field ``a`` of a document with one of `Object`'s methods."""
    return getattr(_load(value), reader)("a", *arguments)


@pytest.mark.parametrize("value", [{}, {"a": None}], ids=["absent", "null"])
@pytest.mark.parametrize(
    ("reader", "empty"),
    [
        ("optional_string", None),
        ("boolean", False),
        ("strings", ()),
        ("digests", ()),
        ("string_map", {}),
        ("keys", ()),
        ("optional_object", None),
        ("objects", ()),
    ],
)
def test_null_and_absent_are_the_same(reader: str, empty: object, value: object) -> None:
    """S045, R076: null Env, Cmd, Entrypoint; ``layers: null``."""
    assert _read(reader, value) == empty
    assert _read("string", value, "default") == "default"
    assert "a" not in _load(value)


@pytest.mark.parametrize("value", [{}, {"a": None}], ids=["absent", "null"])
@pytest.mark.parametrize(
    ("reader", "expected"),
    [
        ("string", "a string"),
        ("digest", "a string"),
        ("integer", "an integer from 0 to 2^63-1"),
        ("object", "an object"),
    ],
)
def test_what_has_to_be_there_is_named_when_it_is_not(
    reader: str, expected: str, value: object
) -> None:
    """S045: ``rootfs: null``, ``config: null``."""
    with pytest.raises(DocumentError) as caught:
        _read(reader, value)
    assert caught.value.lines() == ["document: no 'a'", f"expected {expected}"]


@pytest.mark.parametrize(
    ("reader", "value", "result"),
    [
        ("string", "text", "text"),
        ("string", "", ""),
        ("optional_string", "", ""),
        ("integer", INTEGER_LIMIT, INTEGER_LIMIT),
        ("integer", 0, 0),
        ("boolean", True, True),
        ("boolean", False, False),
        ("digest", digest("x"), Digest.of(b"x")),
        ("strings", ["x", ""], ("x", "")),
        ("digests", [digest("x"), digest("y")], (Digest.of(b"x"), Digest.of(b"y"))),
        ("string_map", {"b": "c", "": ""}, {"b": "c", "": ""}),
        ("keys", {"80/tcp": {}, "/data": None}, ("80/tcp", "/data")),
        ("object", {"b": 1}, Object({"b": 1}, "document.a")),
        ("optional_object", {}, Object({}, "document.a")),
        ("objects", [{"b": 1}], (Object({"b": 1}, "document.a[0]"),)),
    ],
)
def test_a_value_of_the_right_type_is_returned(reader: str, value: object, result: object) -> None:
    read = _read(reader, {"a": value})
    assert read == result
    assert type(read) is type(result)


@pytest.mark.parametrize(
    ("reader", "value", "name", "expected", "actual"),
    [
        ("string", 1, "a", "a string", "1"),
        ("optional_string", [], "a", "a string", "a list"),
        ("integer", "5", "a", "an integer from 0 to 2^63-1", "a string"),
        ("integer", -1, "a", "an integer from 0 to 2^63-1", "-1"),
        ("integer", 2**63, "a", "an integer from 0 to 2^63-1", "9223372036854775808"),
        ("integer", True, "a", "an integer from 0 to 2^63-1", "a boolean"),
        ("integer", 1e3, "a", "an integer from 0 to 2^63-1", "1000.0"),
        ("boolean", 0, "a", "true or false", "0"),
        ("strings", "sh", "a", "a list", "a string"),
        ("strings", ["b", 1], "a[1]", "a string", "1"),
        ("digests", [{}], "a[0]", "a string", "an object"),
        ("string_map", [], "a", "an object", "a list"),
        ("string_map", {"b": 1}, "a[b]", "a string", "1"),
        ("keys", ["80/tcp"], "a", "an object", "a list"),
        ("object", [], "a", "an object", "a list"),
        ("optional_object", "x", "a", "an object", "a string"),
        ("objects", {}, "a", "a list", "an object"),
        ("objects", [{}, []], "a[1]", "an object", "a list"),
    ],
)
def test_a_value_of_another_type_is_refused_and_named(
    reader: str, value: object, name: str, expected: str, actual: str
) -> None:
    """S035, S058."""
    with pytest.raises(DocumentError) as caught:
        _read(reader, {"a": value})
    assert caught.value.lines() == [
        f"document: {name!r} is of a wrong type or out of range",
        f"expected {expected}",
        f"got      {actual}",
    ]


def test_null_among_values_is_no_value() -> None:
    with pytest.raises(DocumentError, match=r"^document: no 'a\[1\]'$"):
        _load({"a": ["b", None]}).strings("a")


@pytest.mark.parametrize(
    ("reader", "value", "place"),
    [
        ("digest", "sha256:../x", "a"),
        ("digests", [digest("x"), "sha256:../x"], "a[1]"),
    ],
)
def test_a_digest_outside_the_grammar_is_refused_and_named(
    reader: str, value: object, place: str
) -> None:
    """S026."""
    with pytest.raises(InvalidDigestError) as caught:
        _read(reader, {"a": value})
    assert caught.value.lines() == [
        f"document: {place}: invalid sha256 digest '../x'",
        "expected 64 lower-case hexadecimal digits",
    ]


def test_errors_of_inner_objects_say_where() -> None:
    read = _load({"a": [{}, {"b": {"c": 1}}]})
    with pytest.raises(DocumentError, match=r"^document\.a\[1\]\.b: 'c' is of a wrong type"):
        read.objects("a")[1].object("b").string("c")


def test_errors_quote_little_of_the_document() -> None:
    name = "\x1b" * 1_000_000
    with pytest.raises(DocumentError) as caught:
        _load({"a": {name: 1}}).string_map("a")
    assert len(caught.value.message) < 1000
    assert "\x1b" not in caught.value.message
    with pytest.raises(DocumentError) as caught:
        load(b'{"' + b"x" * 1_000_000 + b'": 1, "' + b"x" * 1_000_000 + b'": 2}', "document")
    assert len(caught.value.message) < 1000


def test_numbers_too_long_to_print_are_refused_when_read() -> None:
    digits = sys.get_int_max_str_digits()
    read = load(b'{"a": ' + b"9" * digits + b"}", "document")
    with pytest.raises(DocumentError) as caught:
        read.integer("a")
    assert caught.value.actual == "9" * 40
