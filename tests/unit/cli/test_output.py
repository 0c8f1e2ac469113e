"""What goes to the terminal."""

from __future__ import annotations

import io
import json

import pytest

from imgfetch.cli import output
from imgfetch.errors import DigestMismatchError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("ümlaut ☃", "ümlaut ☃"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("over\rwritten", "over\\rwritten"),
        ("a\u202eb", "a\\u202eb"),
        ("bad\udcffbyte", "bad\\udcffbyte"),
        ("two\nlines", "two\\nlines"),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    """S059."""
    assert output.safe(text) == shown


def test_an_error_has_one_form(capsys: pytest.CaptureFixture[str]) -> None:
    failure = DigestMismatchError("layer x failed", expected="a", actual="b", hint="try again")
    output.error(failure)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == ("imgfetch: layer x failed\n  expected a\n  got      b\n  try again\n")


def test_a_terminal_that_knows_only_ascii_gets_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """R173."""
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="ascii")
    monkeypatch.setattr("sys.stdout", stream)
    output.result("snow ☃")
    assert written.getvalue() == b"snow \\u2603\n"


def test_a_table_is_as_wide_as_its_widest_cells(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("A", "B"), [("long cell", "x"), ("s", "y\x1b")])
    assert capsys.readouterr().out == "A          B\nlong cell  x\ns          y\\x1b\n"


def test_json_escapes_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    output.raw_json({"a": "\x1b☃"})
    assert json.loads(capsys.readouterr().out) == {"a": "\x1b☃"}


def test_a_stderr_that_nobody_reads_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr("sys.stderr", Closed())
    output.message("hello")


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 30, "3.0 GiB"), (2 << 40, "2.0 TiB")],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert output.human_size(size) == text
