"""``imgfetch extract``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli.options import obtaining_options
from imgfetch.cli.streams import output_target

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation
    from imgfetch.workflow.obtain import Policy


@click.command("extract")
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    default="-",
    help="A directory to make files in; - for a tar on standard output.  [default: -]",
)
@click.option("-L", "--follow", is_flag=True, help="Follow links at the ends of the paths.")
@obtaining_options
@click.argument("reference", metavar="REF")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    reference: str,
    paths: tuple[str, ...],
    output: str,
    platform: str | None,
    policy: Policy,
    *,
    follow: bool,
    **flags: Any,
) -> None:
    """Take files and directories out of an image, without unpacking it.

    A file is called DIR/PATH then, or PATH in the tar; a directory comes with all that is in
    it. Links on the way to a PATH are followed inside the image; one at its end stays a link.
    Nothing that is in DIR already is touched: a PATH that is there is an error. In DIR files
    belong to the caller, for root to whom they belong in the image.
    """
    target = output_target(output)
    with invocation.client(**flags) as client:
        client.extract(reference, paths, target, follow=follow, platform=platform, policy=policy)
