"""``imgfetch exec``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from imgfetch.cli.options import PassingCommand

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation


@click.command("exec", cls=PassingCommand)
@click.option("-i", "--interactive", is_flag=True, help="Pass stdin on; without it, it is empty.")
@click.option("-t", "--tty", is_flag=True, help="Give the command a pseudo-terminal.")
@click.option("-e", "--env", metavar="K[=V]", multiple=True, help="Set a variable.")
@click.option("-u", "--user", metavar="USER[:GROUP]", help="Names in the image, or numbers.")
@click.option("-w", "--workdir", metavar="PATH", help="Working directory.")
@click.argument("name", metavar="CONTAINER")
@click.argument(
    "arguments", metavar="CMD [ARG...]", nargs=-1, type=click.UNPROCESSED, required=True
)
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    name: str,
    arguments: tuple[str, ...],
    env: tuple[str, ...],
    user: str | None,
    workdir: str | None,
    *,
    interactive: bool,
    tty: bool,
) -> int:
    """Run a command in a detached container, and exit with its status.

    The command has the container's user, variables and working directory, unless options
    say otherwise.
    """
    from imgfetch.bundle.environment import parse_env
    from imgfetch.workflow.execute import Command

    environment = invocation.settings().environment
    asked = Command(
        arguments,
        env=tuple(parse_env(text, environment) for text in env),
        user=user,
        workdir=workdir,
        interactive=interactive,
        tty=tty,
    )
    with invocation.client() as client:
        return client.execute(name, asked)
