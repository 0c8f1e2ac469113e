"""``imgfetch tag``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from imgfetch.cli import output

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation


@click.command("tag")
@click.argument("reference", metavar="REF")
@click.argument("name", metavar="NAME[:TAG]")
@click.pass_obj
def command(invocation: Invocation, /, reference: str, name: str) -> None:
    """Give an image in the store another name.

    If the name stands for another image, it moves. Prints the name, completed.
    """
    with invocation.client() as client:
        output.result(client.tag(reference, name))
