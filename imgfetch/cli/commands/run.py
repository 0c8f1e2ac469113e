"""``imgfetch run``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import quick
from imgfetch.cli.options import PassingCommand, with_options
from imgfetch.cli.running import run

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation


@click.command(quick.COMMAND, cls=PassingCommand)
@with_options(*quick.OPTIONS)
@click.argument("reference", metavar="REF")
@click.argument("arguments", metavar="[CMD [ARG...]]", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    reference: str,
    arguments: tuple[str, ...],
    **values: Any,
) -> int:
    """Run a command in a container of an image, and exit with its status.

    The image is fetched if it is not in the store. The container ends with this command,
    however it ends, and leaves nothing behind. Options mean what they mean in docker.

    With -d the command ends when the container has started; ps, logs, exec, stop, kill, wait
    and rm are for those.
    """
    return run(invocation, reference, arguments, values)
