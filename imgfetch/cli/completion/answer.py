"""The answer to a shell: a line for each candidate.

A line has a kind, a value and a text for people, with tabs between them. Kinds are ``plain``;
``part``, after which there is more to type; and ``file`` and ``dir``, which shells complete by
themselves, after what the value says is before the path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, ShellComplete, split_arg_string

from imgfetch.cli import exitcodes, output
from imgfetch.cli.completion.values import taught
from imgfetch.cli.root import root

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    Item: TypeAlias = CompletionItem[str]

# Of all at which bash splits words, those that are in our values: each with how much of it is
# before the next word. readline takes an @ for the beginning of a host's name.
_BREAKS = {"=": 1, ":": 1, "@": 0}


def answer(shell: str, words: Sequence[str]) -> int:
    """Print what the last word could become.

    Args:
        shell: its name. From bash come the line up to the cursor and COMP_WORDBREAKS; from others
            the words up to the cursor, without the command's own.
        words: see above.

    Returns:
        The exit status: nobody looks at it, and there is nobody to tell what went wrong.
    """
    breaks = ""
    if shell == "bash":
        line, breaks = (*words, "", "")[:2]
        words = _words(line)
    try:
        items = _Answer(words).items()
        lines = [_line(item, words[-1] if words else "", breaks) for item in items]
    except Exception:  # noqa: BLE001 - whatever it is, it is in the way of somebody who types
        return exitcodes.OK
    output.drawn(lines)
    return exitcodes.OK


def _words(line: str) -> list[str]:
    """The words of a line without the first, the last being the one at the cursor."""
    words = split_arg_string(line)[1:]
    return [*words, ""] if line[-1:].isspace() else words


def _line(item: Item, typed: str, breaks: str) -> str:
    value = item.value
    if item.type in {"plain", "part"}:
        # bash replaces what comes after the last place where it splits words.
        ends = [typed.rfind(mark) + size for mark, size in _BREAKS.items() if mark in breaks]
        value = value[max(0, 0, *ends) :]
    return f"{item.type}\t{value}\t{output.safe(item.help or '')}"


class _Taught(click.Group):
    """imgfetch itself, all of whose values know what they could be."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = root.get_command(ctx, cmd_name)
        return None if command is None else taught(command)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Item]:
        return root.shell_complete(ctx, incomplete)


class _Answer(ShellComplete):
    """The candidates for the last of some words."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__(taught(_Taught("imgfetch", params=root.params)), {}, "imgfetch", "")
        self._before, self._typed = list(words[:-1]), words[-1] if words else ""

    def items(self) -> list[Item]:
        """Candidates for the whole word, also where only its end is an option's value."""
        found = self.get_completions(self._before, self._typed)
        name, equals, _ = self._typed.partition("=")
        prefix = f"{name}=" if equals and name.startswith("-") else ""
        return [CompletionItem(prefix + one.value, one.type, one.help) for one in found]
