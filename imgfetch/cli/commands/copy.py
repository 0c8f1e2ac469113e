"""``imgfetch copy``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import output
from imgfetch.cli.options import locked_option, publishing_options, registry_options

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation


@click.command("copy")
@publishing_options
@click.option("--src-creds", metavar="USER:PASS", help="Credentials for SRC; --creds are for DEST.")
@locked_option
@registry_options
@click.argument("source", metavar="SRC")
@click.argument("destination", metavar="DEST")
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    source: str,
    destination: str,
    platform: str | None,
    src_creds: str | None,
    *,
    all_platforms: bool,
    referrers: bool,
    **flags: Any,
) -> None:
    """Send an image from one registry to another, past the store and the disk.

    SRC may be of any transport. What is there is not sent again, what the registry has in
    another repository is mounted, and digests stay what they are. Prints NAME@DIGEST.
    """
    from imgfetch.client.publishing import Publishing

    publishing = Publishing(
        platform, all_platforms=all_platforms, referrers=referrers, source_creds=src_creds
    )
    with invocation.client(**flags) as client:
        output.result(str(client.copy(source, destination, publishing)))
