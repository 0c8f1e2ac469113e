"""``imgfetch sync``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import output
from imgfetch.cli.options import format_option, registry_options

if TYPE_CHECKING:
    from imgfetch.cli.root import Invocation

_WORDS = {"fetch": "+", "name": "~", "remove": "-"}


@click.command("sync")
@click.option(
    "-f",
    "--file",
    "path",
    metavar="FILE",
    default="imgfetch.lock",
    show_default=True,
    help="The lock file.",
)
@click.option("--prune", is_flag=True, help="Remove names that are not in the lock file.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--jobs", type=click.IntRange(1, 64), metavar="N", help="Blobs fetched at once.")
@format_option
@registry_options
@click.pass_obj
def command(
    invocation: Invocation, /, path: str, form: str, *, prune: bool, dry_run: bool, **flags: Any
) -> None:
    """Make the store hold what a lock file names, and with --prune nothing else.

    Everything is fetched before any name moves. Registries are asked for digests only, and
    not at all for what is in the store.

    Prints what changed: + fetched, ~ named, - removed. JSON: a list of objects with action
    (fetch, name, keep, remove), name and digest, one for each name.
    """
    with invocation.client(**flags) as client:
        steps = client.sync(path, prune=prune, dry_run=dry_run)
        if form == "json":
            output.raw_json(
                [
                    {"action": step.action, "name": step.name, "digest": str(step.digest)}
                    for step in steps
                ]
            )
        else:
            for step in steps:
                if step.action in _WORDS:
                    output.result(f"{_WORDS[step.action]} {step.name} {step.digest}")
        if prune and not dry_run:
            client.collect()
