"""``imgfetch rmi``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from imgfetch.cli import output

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation


@click.command("rmi")
@click.option(
    "-f", "--force", is_flag=True, help="Also what is pinned, or a running container uses."
)
@click.argument("references", metavar="REF...", nargs=-1, required=True)
@click.pass_obj
def command(invocation: Invocation, /, references: tuple[str, ...], *, force: bool) -> None:
    """Remove names from the store, and what they alone kept in it.

    A pinned name, and the last name of an image that a running container uses, are refused
    without --force.
    Prints the names that were removed.
    """
    with invocation.client() as client:
        try:
            for reference in references:
                for name in client.remove(reference, force=force):
                    output.result(name)
        finally:
            client.collect()
