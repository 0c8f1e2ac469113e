"""docs/reference/cli.md: every command and every option."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.documentation import commandline

if TYPE_CHECKING:
    from scripts.documentation.commandline import CommandText

_HEAD = """\
# Commands

Written by `scripts/docs` from what `--help` says. `imgfetch COMMAND --help` says the same; so does
`man imgfetch-COMMAND` where man pages are installed.

Results go to standard output, all else to standard error. `--format json` of commands that list or
describe something is for programs: its fields [are described](json.md) and stay. Options that
reach settings come before environment variables, and these before the [configuration
file](configuration.md). Exit statuses are [on a page of their own](errors.md).

"""


def page() -> str:
    """The whole page."""
    commands = commandline.each()
    listed = "".join(
        f"| [`{command.name}`](#{_anchor(command)}) | {_safe(command.summary)} |\n"
        for command in commands
    )
    index = f"| command | does |\n|---|---|\n{listed}\n"
    parts = [_section(command) for command in [commandline.whole(), *commands]]
    return _HEAD + index + "\n".join(parts)


def _anchor(command: CommandText) -> str:
    return command.name.replace(" ", "-")


def _section(command: CommandText) -> str:
    paragraphs = "\n\n".join(map(_safe, command.paragraphs))
    usage = f"```text\n{command.name} {command.usage}\n```\n"
    title = f"## `{command.name}` {{: #{_anchor(command)} }}"
    rows = "".join(
        f"| `{_safe(option.names)}` | {_safe(option.text)}"
        f"{f' (`{option.environment}`)' if option.environment else ''} |\n"
        for option in command.options
    )
    table = f"\n| option | |\n|---|---|\n{rows}" if rows else ""
    return f"{title}\n\n{paragraphs}\n\n{usage}{table}"


def _safe(text: str) -> str:
    """Text that Markdown leaves alone in a table."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
