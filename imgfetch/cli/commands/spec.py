"""``imgfetch spec``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import output
from imgfetch.cli.options import (
    REGISTRY_OPTIONS,
    platform_option,
    pull_option,
    registry_options,
    run_options,
)
from imgfetch.cli.run_options import parse_here

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation
    from imgfetch.workflow.obtain import Policy


@click.command("spec")
@run_options
@pull_option
@platform_option
@registry_options
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
    with invocation.client(**{name: values[name] for name in REGISTRY_OPTIONS}) as client:
        output.raw_json(client.spec(reference, options, platform=platform, policy=policy))
