"""``imgfetch auth``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from imgfetch.cli import output
from imgfetch.cli.options import format_option

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation


@click.group("auth")
def command() -> None:
    """Find out about credentials."""


@command.command("explain")
@format_option
@click.option("--authfile", metavar="FILE", help="Credentials, as docker's config.json.")
@click.argument("registry", metavar="HOST[/REPOSITORY]", default="docker.io")
@click.pass_obj
def explain(invocation: Invocation, /, registry: str, authfile: str | None, form: str) -> None:
    """Show where credentials for a registry are looked for, and which are used.

    In the order of search; the secrets themselves are not shown. JSON: a list of objects with
    source, used, account and detail.
    """
    with invocation.client(authfile=authfile) as client:
        told = client.explain_credentials(registry)
    if form == "json":
        output.raw_json([asdict(entry) for entry in told])
        return
    output.table(
        ("SOURCE", "USED", "ACCOUNT", "DETAIL"),
        [
            (entry.source, "yes" if entry.used else "no", entry.account or "-", entry.detail)
            for entry in told
        ],
    )
    if invocation.log_format == "text" and not any(entry.used for entry in told):
        output.message(f"{registry} is asked without credentials")
