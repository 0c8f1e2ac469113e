"""Options that several commands share."""

from __future__ import annotations

from typing import TypeVar

import click

from imgfetch.cli import flags, run_flags
from imgfetch.errors import UsageError
from imgfetch.lean.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from click.shell_completion import CompletionItem

    from imgfetch.cli.option import Option

_Function = TypeVar("_Function", bound="Callable[..., Any]")


class PassingCommand(click.Command):
    """A command whose arguments after the first are another program's, whatever they look like."""

    allow_interspersed_args = False

    def has_passed(self, context: click.Context) -> bool:
        """Whether the first argument was there, so that the rest is not for us."""
        arguments = [one for one in self.params if isinstance(one, click.Argument)]
        return any(context.params.get(one.name or "") for one in arguments)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """See `click.Command`: options of ours, as long as they would be ours."""
        return [] if self.has_passed(ctx) else super().shell_complete(ctx, incomplete)


def with_options(*options: Option) -> Callable[[_Function], _Function]:
    """A command with these options, in their order."""

    def decorated(function: _Function) -> _Function:
        for option in reversed(options):
            function = _as_click(option)(function)
        return function

    return decorated


def _as_click(option: Option) -> Callable[[_Function], _Function]:
    given: dict[str, Any] = {"help": option.text, "metavar": option.value}
    if option.kind in {"flag", "switch", "count"}:
        given["is_flag"] = option.kind != "count"
        given["count"] = option.kind == "count"
    elif option.kind == "integer":
        given["type"] = click.IntRange(option.least, option.most)
    elif option.kind == "number":
        given["type"] = click.FloatRange(option.least, option.most)
    elif option.choices:
        given["type"] = click.Choice(option.choices)
    if option.kind == "many":
        given["multiple"] = True
    else:
        given["default"] = option.default
    names = ["/".join(option.names)] if option.kind == "switch" else list(option.names)
    return click.option(*names, option.name, **given)


registry_options = with_options(*flags.REGISTRY)
"""The options of every command that may reach a registry."""

asking_options = with_options(
    *(option for option in flags.REGISTRY if option.name not in {"creds", "retries"})
)
"""Those of them that single questions to registries take."""

platform_option = with_options(flags.PLATFORM)
"""``--platform``, for commands that take one."""

pull_option = with_options(flags.PULL)
"""``--pull``, for commands that fetch what they need."""

locked_option = with_options(flags.LOCKED)
"""``--locked``, for commands that may be bound to a lock file."""

obtaining_options = with_options(flags.PULL, flags.PLATFORM, flags.LOCKED, *flags.REGISTRY)
"""All of these, for commands that do something with one platform's image."""

CLIENT_OPTIONS = (flags.LOCKED.name, *(option.name for option in flags.REGISTRY))
"""The names of those among them that are the client's."""

run_options = with_options(*run_flags.RUN)
"""The options that decide what a container is like."""


def publishing_options(function: _Function) -> _Function:
    """What of an image goes to a registry."""
    for option in (
        click.option("--referrers", is_flag=True, help="And what refers to it, e.g. signatures."),
        click.option("--all-platforms", is_flag=True, help="Every platform of the image."),
    ):
        function = option(function)
    return platform_option(function)


def platforms_options(one: str, every: str) -> Callable[[_Function], _Function]:
    """``--platform``, several times, and ``--all-platforms``.

    To be checked with `refuse_both`.

    Args:
        one: help for the first.
        every: help for the second.
    """

    def decorated(function: _Function) -> _Function:
        function = click.option("--all-platforms", is_flag=True, help=every)(function)
        option = click.option(
            "--platform", "platforms", metavar="OS/ARCH[/VARIANT]", multiple=True, help=one
        )
        return option(function)

    return decorated


def refuse_both(platforms: Sequence[str], *, all_platforms: bool) -> None:
    """Refuse platforms beside all of them.

    Raises:
        UsageError: both are given.
    """
    if platforms and all_platforms:
        message = "--platform and --all-platforms contradict each other"
        raise UsageError(message)


def jobs_option(function: _Function) -> _Function:
    """``--jobs``, for commands that fetch much."""
    option = click.option(
        "--jobs", type=click.IntRange(1, 64), metavar="N", help="Blobs fetched at once."
    )
    return option(function)


def format_option(function: _Function) -> _Function:
    """``--format``, for commands that list or describe."""
    option = click.option(
        "--format",
        "form",
        type=click.Choice(["table", "json"]),
        default="table",
        help="For people, or for programs.",
    )
    return option(function)


def compression_option(function: _Function) -> _Function:
    """``--compression``, for commands that write a tar."""
    option = click.option(
        "--compression",
        type=click.Choice(["none", "gzip", "zstd"]),
        help="Around a tar.  [default: as FILE's name says]",
    )
    return option(function)
