"""``imgfetch kill``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from imgfetch.cli import output

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation


@click.command("kill")
@click.option("-s", "--signal", "text", metavar="SIGNAL", default="KILL", help="[default: KILL]")
@click.argument("names", metavar="CONTAINER...", nargs=-1, required=True)
@click.pass_obj
def command(invocation: Invocation, /, names: tuple[str, ...], text: str) -> None:
    """Send a signal to the first process of detached containers. Prints their names."""
    from imgfetch.bundle.grammar import parse_signal

    number = parse_signal(text)
    with invocation.client() as client:
        for name in names:
            client.kill(name, number)
            output.result(name)
