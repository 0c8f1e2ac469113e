"""Archives from standard input and to standard output."""

from __future__ import annotations

import sys

from imgfetch.errors import UsageError

STREAM = "-"
"""What stands for standard input or output in place of a file."""


def output_target(name: str) -> str | int:
    """A file's name, or the descriptor of standard output.

    Raises:
        UsageError: that is a terminal.
    """
    if name != STREAM:
        return name
    if sys.stdout.isatty():
        message = "an archive is nothing to be shown on a terminal"
        raise UsageError(message, hint="name a file with -o, or redirect standard output")
    sys.stdout.flush()
    return sys.stdout.fileno()


def input_source(name: str) -> str | int:
    """A file's name, or the descriptor of standard input.

    Raises:
        UsageError: that is a terminal.
    """
    if name != STREAM:
        return name
    if sys.stdin.isatty():
        message = "an archive can't be read from a terminal"
        raise UsageError(message, hint="name a file with -i, or redirect standard input")
    return sys.stdin.fileno()
