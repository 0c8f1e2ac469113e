"""``imgfetch tag``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from imgfetch.cli import output
from imgfetch.errors import UsageError

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation


@click.command("tag")
@click.option("--pin", is_flag=True, help="Keep the name: prune and sync don't remove it.")
@click.option("--unpin", is_flag=True, help="Let the name be removed again.")
@click.argument("reference", metavar="REF")
@click.argument("name", metavar="[NAME[:TAG]]", required=False)
@click.pass_obj
def command(
    invocation: Invocation, /, reference: str, name: str | None, *, pin: bool, unpin: bool
) -> None:
    """Give an image in the store another name, or pin a name.

    If the name stands for another image, it moves. A pinned name is not removed by prune and
    sync, and by rmi only with --force; it moves with pull and tag all the same. Without NAME,
    --pin and --unpin are about REF. Prints the name, completed.
    """
    if (pin and unpin) or (name is None and not pin and not unpin):
        message = "tag needs a NAME, --pin or --unpin"
        raise UsageError(message)
    with invocation.client() as client:
        tagged = client.tag(reference, name) if name is not None else reference
        output.result(client.pin(tagged, pinned=pin) if pin or unpin else tagged)
