"""``imgfetch spec``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import output
from imgfetch.cli.options import (
    CLIENT_OPTIONS,
    obtaining_options,
    run_options,
)
from imgfetch.cli.run_options import parse_here

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation
    from imgfetch.workflow.obtain import Policy


@click.command("spec")
@run_options
@obtaining_options
@click.argument("reference", metavar="REF")
@click.argument("arguments", metavar="[-- CMD [ARG...]]", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    reference: str,
    arguments: tuple[str, ...],
    platform: str | None,
    policy: Policy,
    **values: Any,
) -> None:
    """Print the runtime specification (config.json) that run would use.

    The store stays as it is: what is not in it is fetched, looked at and thrown away.
    """
    options = parse_here(invocation, values, arguments)
    with invocation.client(**{name: values[name] for name in CLIENT_OPTIONS}) as client:
        output.raw_json(client.spec(reference, options, platform=platform, policy=policy))
