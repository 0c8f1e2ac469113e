"""``imgfetch logout``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from imgfetch.cli import output

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation


@click.command("logout")
@click.option("--authfile", metavar="FILE", help="Only from this file.")
@click.argument("registry", metavar="[REGISTRY]", default="docker.io")
@click.pass_obj
def command(invocation: Invocation, /, registry: str, authfile: str | None) -> None:
    """Forget the credentials for a registry (docker.io by default), wherever they are.

    Prints the files that they were in. It is no error if there were none.
    """
    with invocation.client(authfile=authfile) as client:
        files = client.logout(registry)
        left = any(entry.used for entry in client.explain_credentials(registry))
    if not files:
        invocation.warn(f"there were no credentials for {registry}")
    if left:
        invocation.warn(f"others are still found: imgfetch auth explain {registry}")
    for file in files:
        output.result(file)
