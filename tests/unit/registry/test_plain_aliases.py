from __future__ import annotations

import tomllib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imgfetch.registry import plain_aliases

PIECES = st.sampled_from(
    ['"', "a", "b-c", "=", " = ", "[aliases]", "\n", "\r\n", "#", "\\", "\t", " ", "'", '"a" = "b"',
     '"a/b"="c.d/e"', "\x7f", "é", "\r", '""', "[other]", "\u2028", ".", ","]
)  # fmt: skip


@given(st.lists(PIECES, max_size=14).map("".join))
@example('[aliases]\n"a" = "b"\n"a" = "c"\n')
@example('[aliases]\n"a" = """b"""\n')
@example('"a" = "b"\n[aliases]\n')
@example("\r")
def test_what_is_read_is_what_the_parser_reads(text: str) -> None:
    found = plain_aliases.read(text)
    if found is not None:
        assert found == tomllib.loads(text)


def test_files_of_distributions_are_read() -> None:
    text = '# short names\r\n[aliases]\r\n  # docker\n\n\t"alpine" = "docker.io/library/alpine"\n'
    assert plain_aliases.read(text) == {"aliases": {"alpine": "docker.io/library/alpine"}}
    assert plain_aliases.read("# nothing\n") == {}


@pytest.mark.parametrize(
    "text",
    [
        'unqualified-search-registries = ["docker.io"]',
        '[aliases]\n"a" = "b" # why',
        "[aliases]\na = 'b'",
        '[aliases]\n"a" = "\\u0062"',
        '[aliases]\n[[registry]]\nprefix = "a"',
        '[aliases]\n"a"',
    ],
)
def test_other_files_are_left_to_the_parser(text: str) -> None:
    assert plain_aliases.read(text) is None
