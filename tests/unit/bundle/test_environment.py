from __future__ import annotations

import pytest

from imgfetch.bundle.environment import (
    DEFAULT_PATH,
    check_strings,
    parse_env,
    parse_env_file,
    process_environment,
)
from imgfetch.errors import DocumentError, InvalidOptionError
from tests.support.specs import image_config

CALLER = {"HERE": "from the caller", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "item"),
    [
        ("A=b", ("A", "b")),
        ("A=b=c", ("A", "b=c")),
        ("A=", ("A", "")),
        ("HERE", ("HERE", "from the caller")),
        ("EMPTY", ("EMPTY", "")),
        ("GONE", ("GONE", None)),
    ],
)
def test_a_name_alone_takes_the_callers_value(text: str, item: tuple[str, str | None]) -> None:
    assert parse_env(text, CALLER) == item


@pytest.mark.parametrize("text", ["", "=x", "=", "A=\0", "A\0"])
def test_variables_without_a_name_are_refused(text: str) -> None:
    """R151: runc refuses these with a message that names nobody."""
    with pytest.raises(InvalidOptionError):
        parse_env(text, {})


def test_an_env_file_is_read_as_docker_reads_it() -> None:
    raw = (
        b"\xef\xbb\xbf# comment\n\n  A=1\nB='quoted' \r\nC=a=b\nD=\n   # indented\nHERE\nGONE\n"
        b"dashed-name=ok\nLAST=no newline"
    )
    assert parse_env_file(raw, "file", CALLER) == (
        ("A", "1"),
        ("B", "'quoted' "),
        ("C", "a=b"),
        ("D", ""),
        ("HERE", "from the caller"),
        ("dashed-name", "ok"),
        ("LAST", "no newline"),
    )


@pytest.mark.parametrize("line", [b"=x", b"A B=c", b"A =c", b"A\tB=c", b"A=\0", b"\xff=1"])
def test_a_bad_line_of_an_env_file_is_named(line: bytes) -> None:
    with pytest.raises(InvalidOptionError) as caught:
        parse_env_file(b"OK=1\n" + line + b"\n", "file.env", {})
    assert "file.env" in caught.value.message


def test_the_last_one_wins_and_defaults_come_first() -> None:
    image = image_config({"Env": ["A=image", "B=image", "TERM=image", "C=first", "C=second"]})
    entries = process_environment(
        image, [("A", "option"), ("D", "option")], hostname="h", home="/root", terminal=True
    )
    assert entries == [
        f"PATH={DEFAULT_PATH}",
        "HOSTNAME=h",
        "TERM=image",
        "A=option",
        "B=image",
        "C=second",
        "D=option",
        "HOME=/root",
    ]


@pytest.mark.parametrize(
    ("env", "home"),
    [([], "/home/app"), (["HOME="], "/home/app"), (["HOME=/other"], "/other")],
)
def test_home_is_the_images_unless_it_is_empty(env: list[str], home: str) -> None:
    """R077."""
    entries = process_environment(
        image_config({"Env": env}), [], hostname="h", home="/home/app", terminal=False
    )
    assert f"HOME={home}" in entries
    assert sum(entry.startswith("HOME=") for entry in entries) == 1


def test_term_is_set_with_a_terminal_only() -> None:
    def names(*, terminal: bool) -> set[str]:
        entries = process_environment(image_config(), [], hostname="h", home="/", terminal=terminal)
        return {entry.partition("=")[0] for entry in entries}

    assert names(terminal=True) - names(terminal=False) == {"TERM"}


def test_a_variable_can_be_taken_away_but_path_stays() -> None:
    image = image_config({"Env": ["A=1", "PATH=/image"]})
    changes = [("A", None), ("PATH", None), ("NEVER", None)]
    entries = process_environment(image, changes, hostname="h", home="/", terminal=False)
    assert entries == ["HOSTNAME=h", f"PATH={DEFAULT_PATH}", "HOME=/"]


def test_nothing_of_the_callers_environment_gets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """S050."""
    monkeypatch.setenv("SECRET", "value")
    first = process_environment(
        image_config(), [("A", "first run")], hostname="h", home="/", terminal=False
    )
    second = process_environment(image_config(), [], hostname="h", home="/", terminal=False)
    assert second == [entry for entry in first if entry != "A=first run"]
    assert not any("SECRET" in entry for entry in second)


@pytest.mark.parametrize("entry", ["=x", "A", ""])
def test_a_malformed_entry_of_the_image_is_named(entry: str) -> None:
    """S058 and R151."""
    with pytest.raises(DocumentError, match="Env"):
        process_environment(
            image_config({"Env": [entry]}), [], hostname="h", home="/", terminal=False
        )


@pytest.mark.parametrize("string", ["x" * 131072, "é" * 65536, "a\0b", "\udcff"])
def test_strings_that_the_kernel_refuses_are_named_up_front(string: str) -> None:
    """R151: 128 KiB and more is "argument list too long", and a NUL ends a string."""
    with pytest.raises(InvalidOptionError, match="argument"):
        check_strings(["ok", string], "argument")


def test_strings_just_below_the_limit_pass() -> None:
    check_strings(["x" * 131071, "é" * 65535, ""], "argument")
