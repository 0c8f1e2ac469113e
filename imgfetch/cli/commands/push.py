"""``imgfetch push``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import output
from imgfetch.cli.options import locked_option, publishing_options, registry_options

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation


@click.command("push")
@publishing_options
@locked_option
@registry_options
@click.argument("reference", metavar="REF")
@click.argument("destination", metavar="DEST")
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    reference: str,
    destination: str,
    platform: str | None,
    *,
    all_platforms: bool,
    referrers: bool,
    **flags: Any,
) -> None:
    """Send an image of the store to a registry, or one of a file or directory.

    What is there is not sent again, and digests stay what they are. Prints NAME@DIGEST.
    """
    from imgfetch.client.publishing import Publishing

    publishing = Publishing(platform, all_platforms=all_platforms, referrers=referrers)
    with invocation.client(**flags) as client:
        output.result(str(client.push(reference, destination, publishing)))
