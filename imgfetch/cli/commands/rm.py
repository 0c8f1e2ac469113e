"""``imgfetch rm``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from imgfetch.cli import output

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation


@click.command("rm")
@click.option(
    "-f", "--force", is_flag=True, help="Kill those that run; be content with what is gone."
)
@click.argument("names", metavar="CONTAINER...", nargs=-1, required=True)
@click.pass_obj
def command(invocation: Invocation, /, names: tuple[str, ...], *, force: bool) -> None:
    """Remove detached containers, with their logs and all they have written.

    One that runs is refused without --force, and then none is removed. Prints the names.
    """
    with invocation.client() as client:
        for name in client.discard(list(names), force=force):
            output.result(name)
