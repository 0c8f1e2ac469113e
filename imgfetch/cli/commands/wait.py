"""``imgfetch wait``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from imgfetch.cli import output

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation


@click.command("wait")
@click.argument("names", metavar="CONTAINER...", nargs=-1, required=True)
@click.pass_obj
def command(invocation: Invocation, /, names: tuple[str, ...]) -> None:
    """Wait until detached containers have ended. Prints their exit statuses, a line each.

    That of one whose end nobody saw is 137, for it was killed.
    """
    with invocation.client() as client:
        for name in names:
            output.result(str(client.wait(name)))
