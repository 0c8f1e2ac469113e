"""The command line as values, read off click's objects: what pages and man pages are made of."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from importlib import import_module

import click

from imgfetch.cli.root import COMMANDS, root

_ENVIRONMENT = re.compile(r"\s*\[env: ([A-Z_]+)(?:, ([^\]]+))?\]")


@dataclass(frozen=True, slots=True)
class OptionText:
    """An option.

    Attributes:
        names: as they are given, with what stands for the value.
        text: what it does.
        environment: the variable with the same meaning, or "".
    """

    names: str
    text: str
    environment: str


@dataclass(frozen=True, slots=True)
class CommandText:
    """A command.

    Attributes:
        name: with all words before it, such as ``imgfetch auth explain``.
        usage: what follows the name.
        paragraphs: what it does, the first sentence first.
        options: its own.
    """

    name: str
    usage: str
    paragraphs: list[str]
    options: list[OptionText]

    @property
    def summary(self) -> str:
        """What it does, in a line."""
        return self.paragraphs[0]


def whole() -> CommandText:
    """``imgfetch`` itself, with the global options."""
    return _text(root, "imgfetch", _top())


def each() -> list[CommandText]:
    """The commands, in the order of ``--help``, and those below a command after it."""
    found: list[CommandText] = []
    top = _top()
    for name in COMMANDS:
        command: click.Command = import_module(f"imgfetch.cli.commands.{name}").command
        found += _with_those_below(command, f"imgfetch {name}", top)
    return found


def _top() -> click.Context:
    return click.Context(root, info_name="imgfetch", **root.context_settings)


def _with_those_below(
    command: click.Command, name: str, parent: click.Context
) -> list[CommandText]:
    context = click.Context(command, parent=parent, info_name=name)
    found = [_text(command, name, context)]
    if isinstance(command, click.Group):
        for word in command.list_commands(context):
            below = command.get_command(context, word)
            if below is not None:
                found += _with_those_below(below, f"{name} {word}", context)
    return found


def _text(command: click.Command, name: str, context: click.Context) -> CommandText:
    help_text = inspect.cleandoc(command.help or "")
    # click's marks for paragraphs that are not to be wrapped, and for the end of the text.
    help_text = help_text.split("\f")[0].replace("\b\n", "")
    paragraphs = [" ".join(part.split()) for part in help_text.split("\n\n")]
    usage = " ".join(command.collect_usage_pieces(context))
    options = [
        _option(parameter, context)
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option) and not parameter.hidden
    ]
    return CommandText(name, usage, paragraphs, options)


def _option(option: click.Option, context: click.Context) -> OptionText:
    # There is none for hidden options only.
    names, text = option.get_help_record(context) or ("", "")
    found = _ENVIRONMENT.search(text)
    environment = found[1] if found else ""
    return OptionText(names, " ".join(_ENVIRONMENT.sub("", text).split()), environment)
