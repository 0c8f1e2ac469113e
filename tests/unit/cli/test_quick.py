from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imgfetch.cli import flags, quick
from imgfetch.cli.commands.run import command as run_command
from imgfetch.cli.invocation import Invocation
from imgfetch.cli.root import root

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgfetch.cli.option import Option

WORDS = st.sampled_from(
    ["true", "a=b", "", "-", "--", "-x", "-i", "--help", "-1", "5", "1.5", "run", "alpine:3",
     "none", "host", "private", "auto", "copy", "always", "é", "--network", "=", "0x5", " 7", "1e3"]
)  # fmt: skip


def _by_click(arguments: Sequence[str]) -> quick.Understood | None:
    """What click makes of a command line; None where it is nothing to be run by ``run``."""
    invocation = Invocation()
    try:
        with root.make_context("imgfetch", list(arguments), obj=invocation) as context:
            options = dict(context.params)
            # click calls it one way before 8.2, the other way since.
            attribute = (
                "_protected_args" if hasattr(context, "_protected_args") else "protected_args"
            )
            before: list[str] = getattr(context, attribute)
            name, command, rest = root.resolve_command(context, [*before, *context.args])
            if name != quick.COMMAND or command is not run_command:
                return None
            with command.make_context(name, rest, parent=context) as inner:
                values: dict[str, Any] = dict(inner.params)
    except (click.ClickException, click.exceptions.Exit):
        return None
    return quick.Understood(options, values, values.pop("reference"), values.pop("arguments"))


@st.composite
def _written(draw: st.DrawFn, option: Option) -> list[str]:
    """An option as somebody may write it, rightly or wrongly."""
    name = draw(st.sampled_from(option.names))
    likely = (
        [*option.choices, str(option.least), str(option.most), "7"]
        if option.kind != "many"
        else ["x"]
    )
    value = draw(st.sampled_from(likely) | WORDS)
    forms = [
        [name],
        [name, value],
        [f"{name}={value}"],
        [f"{name}{value}"],
        [name[:-1]],
        [name, name],
    ]
    chances = [0, 0, 0] if option.kind in {"flag", "switch", "count"} else [1, 1, 1, 2, 2, 3]
    return forms[draw(st.sampled_from([*chances, 0, 1, 2, 3, 4, 5]))]


def _some(options: Sequence[Option]) -> st.SearchStrategy[list[str]]:
    one = st.sampled_from(options).flatmap(_written) | st.lists(WORDS, max_size=1)
    return st.lists(one, max_size=4).map(lambda parts: [word for part in parts for word in part])


LINES = st.builds(
    lambda before, command, options, rest: [*before, *command, *options, *rest],
    _some(flags.GLOBAL) | st.just([]),
    st.sampled_from([["run"], ["run"], ["run"], ["pull"], []]),
    _some(quick.OPTIONS),
    st.lists(WORDS, max_size=3),
)


@given(LINES)
@example(["-vv", "--store", "s", "run", "-itv", "a:b", "-eK=V", "-e", "-i", "img", "--", "-x"])
@example(["run", "--sig-proxy", "--no-sig-proxy", "--network=", "--stop-timeout", "1.5", "img"])
def test_what_is_understood_is_what_click_understands(arguments: list[str]) -> None:
    understood = quick.understand(arguments)
    if understood is not None:
        assert understood == _by_click(arguments)


PLAIN = {
    "": [],
    "network": ["--network", "none"],
    "joined": ["--network=none", "--env=A=b"],
    "short": ["-i", "-t", "-e", "A=b", "-w/", "-u", "0"],
    "together": ["-iteA=b", "-itv", "/a:/b"],
    "numbers": ["--oom-score-adj", "-5", "-c7", "--timeout", "1.5", "--retries=2"],
    "choices": ["--pid", "host", "--pull", "never", "--rootfs-mode=copy"],
    "switches": ["--no-sig-proxy", "--read-only", "--rm", "-d"],
    "many": ["-e", "A", "-e", "B", "--cap-add", "ALL"],
}


@pytest.mark.parametrize("options", PLAIN.values(), ids=PLAIN)
def test_plain_command_lines_are_understood(options: list[str]) -> None:
    line = [
        "--store",
        "/s",
        "-v",
        "--offline",
        "run",
        *options,
        "alpine:3",
        "sh",
        "-c",
        "exit",
        "--",
        "-i",
    ]
    understood = quick.understand(line)
    assert understood is not None
    assert understood == _by_click(line)
    assert (understood.reference, understood.arguments[-2:]) == ("alpine:3", ("--", "-i"))


DOUBTFUL = {
    "nothing": [],
    "another command": ["pull", "a"],
    "no image": ["run", "-i"],
    "help": ["run", "--help"],
    "help of all": ["--help"],
    "version": ["--version"],
    "abbreviated": ["run", "--networ", "none", "a"],
    "unknown": ["run", "--unknown", "a"],
    "unknown letter": ["run", "-iz", "a"],
    "flag with a value": ["run", "--init=yes", "a"],
    "value missing": ["run", "-e"],
    "not a choice": ["run", "--pull", "sometimes", "a"],
    "not a number": ["run", "--timeout", "soon", "a"],
    "too many": ["run", "--retries", "101", "a"],
    "far too many": ["run", "--retries", "1" * 5000, "a"],
    "too few": ["run", "-c1", "a"],
    "end of options": ["run", "--", "a"],
    "a hyphen": ["run", "-", "a"],
    "a letter with an equals sign": ["run", "-e=A", "a"],
}  # fmt: skip


@pytest.mark.parametrize("line", DOUBTFUL.values(), ids=DOUBTFUL)
def test_what_is_doubtful_is_left_to_click(line: list[str]) -> None:
    assert quick.understand(line) is None


def test_names_of_options_are_there_once() -> None:
    for options in (flags.GLOBAL, quick.OPTIONS):
        names = [name for option in options for name in option.names]
        assert len(names) == len(set(names))
        assert len({option.name for option in options}) == len(options)
