"""``imgfetch resolve``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import output
from imgfetch.cli.options import platform_option, registry_options

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation


@click.command("resolve")
@platform_option
@click.option("--index", is_flag=True, help="Stop at the index; do not choose a platform.")
@registry_options
@click.argument("references", metavar="REF...", nargs=-1, required=True)
@click.pass_obj
def command(
    invocation: Invocation, /, references: tuple[str, ...], *, index: bool, **flags: Any
) -> None:
    """Print the digest that each reference stands for, for one platform.

    Nothing is stored. With --offline the store answers.
    """
    with invocation.client(**flags) as client:
        for reference in references:
            output.result(str(client.resolve(reference, index=index)))
