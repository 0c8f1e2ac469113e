"""``imgfetch pull``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import output
from imgfetch.cli.options import (
    jobs_option,
    locked_option,
    platforms_options,
    refuse_both,
    registry_options,
)

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation
    from imgfetch.workflow.obtain import Policy


@click.command("pull")
@platforms_options(
    one="Instead of this machine's platform; may be repeated.",
    every="Every platform of the image.",
)
@click.option("--unpack", is_flag=True, help="Unpack the layers too, so that run starts at once.")
@click.option(
    "--policy",
    type=click.Choice(["missing", "always", "newer", "never"]),
    default="newer",
    show_default=True,
    help="When to ask the registry.",
)
@jobs_option
@locked_option
@registry_options
@click.argument("references", metavar="REF...", nargs=-1, required=True)
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    references: tuple[str, ...],
    platforms: tuple[str, ...],
    policy: Policy,
    *,
    all_platforms: bool,
    unpack: bool,
    **flags: Any,
) -> None:
    """Fetch images, verify them and keep them in the store.

    Prints NAME@DIGEST for each, the digest being the platform's own.
    """
    refuse_both(platforms, all_platforms=all_platforms)
    with invocation.client(**flags) as client:
        pulled = [
            image
            for reference in references
            for image in client.pull(
                reference,
                platforms=platforms,
                all_platforms=all_platforms,
                policy=policy,
                unpack=unpack,
            )
        ]
        for image in pulled:
            output.result(str(image))
        if unpack:
            client.prepare(pulled)
