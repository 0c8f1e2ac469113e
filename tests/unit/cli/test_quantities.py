"""Sizes, ages and times on the command line."""

from __future__ import annotations

import pytest

from imgfetch.cli.quantities import timestamp
from tests.support.commandline import CommandLine


@pytest.mark.parametrize("text", ["20G", "1.5g", "0", "100", "64MiB"])
def test_sizes_are_as_docker_has_them(command_line: CommandLine, text: str) -> None:
    command_line("prune", "--max-size", text).succeeded()


@pytest.mark.parametrize("text", ["30d", "12h", "2w", "45m", "10s", "0d"])
def test_ages_have_a_unit(command_line: CommandLine, text: str) -> None:
    command_line("prune", "--unused-for", text).succeeded()


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--max-size", "much"),
        ("--max-size", "-1"),
        ("--max-size", ""),
        ("--unused-for", "30"),
        ("--unused-for", "d"),
        ("--unused-for", "-1d"),
        ("--unused-for", "1.5d"),
        ("--unused-for", "1y"),
        ("--unused-for", "9999999999d"),
        ("--unused-for", "٣d"),
    ],
)
def test_anything_else_is_a_usage_error(command_line: CommandLine, option: str, text: str) -> None:
    said = command_line("prune", option, text).exited(2)
    assert "expected" in said.err
    assert not command_line.store.exists()


def test_times_are_in_utc() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00Z"
    assert timestamp(1_700_000_000.9) == "2023-11-14T22:13:20Z"
    assert timestamp(None) is None
