"""``imgfetch stop``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from imgfetch.cli import output

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation


@click.command("stop")
@click.option(
    "-t",
    "--time",
    "timeout",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Until they are killed.  [default: --stop-timeout of run, 10]",
)
@click.argument("names", metavar="CONTAINER...", nargs=-1, required=True)
@click.pass_obj
def command(invocation: Invocation, /, names: tuple[str, ...], timeout: float | None) -> None:
    """Ask detached containers to stop, and kill those that do not.

    They are asked with the image's stop signal, or the one of --stop-signal. Those that
    have ended are left alone. Prints the names.
    """
    with invocation.client() as client:
        for name in names:
            client.stop(name, timeout=timeout)
            output.result(name)
