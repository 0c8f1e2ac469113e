"""``imgfetch rmi``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from imgfetch.cli import output

if TYPE_CHECKING:
    from imgfetch.cli.root import Invocation


@click.command("rmi")
@click.argument("references", metavar="REF...", nargs=-1, required=True)
@click.pass_obj
def command(invocation: Invocation, /, references: tuple[str, ...]) -> None:
    """Remove names from the store, and what they alone kept in it.

    Prints the names that were removed.
    """
    with invocation.client() as client:
        try:
            for reference in references:
                for name in client.remove(reference):
                    output.result(name)
        finally:
            client.collect()
