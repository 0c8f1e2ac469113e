"""``imgfetch bundle``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli.options import (
    CLIENT_OPTIONS,
    obtaining_options,
    run_options,
)
from imgfetch.cli.run_options import parse_here

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation
    from imgfetch.workflow.obtain import Policy


@click.command("bundle")
@click.option("--rootless", is_flag=True, help="For an ordinary user to run.")
@run_options
@obtaining_options
@click.argument("reference", metavar="REF")
@click.argument("directory", metavar="DIR")
@click.argument("arguments", metavar="[-- CMD [ARG...]]", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    reference: str,
    directory: str,
    arguments: tuple[str, ...],
    platform: str | None,
    policy: Policy,
    *,
    rootless: bool,
    **values: Any,
) -> None:
    """Make an OCI bundle with run options applied, for: runc run -b DIR ID.

    DIR must be absent or empty. Without --network the container has no network, as with
    runc spec (for an ordinary user: this machine's, as with runc spec --rootless).
    """
    from imgfetch.client.bundles import Unpacking

    options = parse_here(invocation, values, arguments)
    with invocation.client(**{name: values[name] for name in CLIENT_OPTIONS}) as client:
        client.unpack(
            reference,
            directory,
            options=options,
            unpacking=Unpacking(rootless=rootless),
            platform=platform,
            policy=policy,
        )
