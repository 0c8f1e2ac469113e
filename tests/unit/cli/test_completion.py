"""What a word could become."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

from imgfetch.cli.completion import stored
from imgfetch.cli.completion.answer import answer
from imgfetch.cli.completion.script import SHELLS, script
from imgfetch.cli.completion.values import BY_WORD
from imgfetch.cli.root import COMMANDS, root
from tests.support.busybox import busybox_builder


def _commands() -> Iterator[click.Command]:
    yield root
    for name in COMMANDS:
        command: click.Command = import_module(f"imgfetch.cli.commands.{name}").command
        yield from command.commands.values() if isinstance(command, click.Group) else (command,)


def test_every_word_for_a_value_says_what_it_could_be() -> None:
    words = {
        parameter.metavar
        for command in _commands()
        for parameter in command.params
        if not isinstance(parameter.type, click.Choice | click.types.BoolParamType)
        and not (isinstance(parameter, click.Option) and parameter.count)
    }
    assert words == BY_WORD.keys()


def test_names_that_mean_something_to_a_shell_are_not_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("registry.example/app:1", "$(reboot)", "a;b", "--force", "a\nplain\tb"):
        busybox_builder().write(tmp_path / "other", name)
    monkeypatch.setenv("IMGFETCH_STORE", str(tmp_path / "none"))
    assert answer("fish", ["--store-ro", str(tmp_path / "other"), "run", ""]) == 0
    offered = [line.split("\t")[:2] for line in capsys.readouterr().out.splitlines()]
    assert offered == [["plain", "registry.example/app:1"]]


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("docker.io/library/alpine:3", "alpine:3"),
        ("docker.io/me/tool:2", "me/tool:2"),
        ("ghcr.io/me/tool:2", "ghcr.io/me/tool:2"),
    ],
)
def test_names_are_as_short_as_people_write_them(name: str, short: str) -> None:
    assert stored.short(name) == short


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_ask_for_their_own_shell(shell: str) -> None:
    assert f"_IMGFETCH_COMPLETE={shell} " in script(shell)
