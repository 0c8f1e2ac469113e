"""``imgfetch tags``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import output
from imgfetch.cli.options import format_option, registry_options

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation


@click.command("tags")
@format_option
@registry_options
@click.argument("name", metavar="REPOSITORY")
@click.pass_obj
def command(invocation: Invocation, /, name: str, form: str, **flags: Any) -> None:
    """List the tags of a repository, a line each.

    JSON: a list of tags.
    """
    with invocation.client(**flags) as client:
        tags = client.tags(name)
    if form == "json":
        output.raw_json(tags)
        return
    for tag in tags:
        output.result(tag)
