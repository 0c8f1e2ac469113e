"""``imgfetch sync``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import output
from imgfetch.cli.options import format_option, jobs_option, registry_options
from imgfetch.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgfetch.cli.invocation import Invocation
    from imgfetch.workflow.sync import Step

_WORDS = {"fetch": "+", "copy": "+", "name": "~", "remove": "-"}


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
@click.option(
    "--prune", is_flag=True, help="Remove names that are not in the lock file, nor pinned."
)
@click.option(
    "--to",
    "place",
    metavar="PLACE",
    help="Copy everything to REGISTRY[/PREFIX] or oci:DIR instead.",
)
@click.option(
    "--referrers", is_flag=True, help="With --to: and what refers to it, e.g. signatures."
)
@click.option(
    "--src-creds",
    metavar="USER:PASS",
    help="With --to: credentials for where it comes from; --creds are for PLACE.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@jobs_option
@format_option
@registry_options
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    path: str,
    form: str,
    place: str | None,
    src_creds: str | None,
    *,
    prune: bool,
    referrers: bool,
    dry_run: bool,
    **flags: Any,
) -> None:
    """Make the store hold what a lock file names, and with --prune nothing else.

    Everything is fetched before any name moves. Registries are asked for digests only, and
    not at all for what is in the store.

    With --to the store stays as it is, and everything goes to another place, with all platforms
    that are locked and with its digests: from the store what is there, the rest from its
    registry. docker.io/library/alpine:3 becomes REGISTRY/PREFIX/library/alpine:3, as mirrors
    have it, and keeps its name in a layout. What is there is not sent again. Some registries
    take an index only with all that is in it; where one platform of it is locked, the tag then
    stands for that platform's manifest.

    Prints what changed: + fetched or copied, ~ named, - removed. JSON: a list of objects with
    action (fetch, copy, name, keep, remove), name and digest, one for each name.
    """
    _refuse_contradictions(place, prune=prune, source=referrers or src_creds is not None)
    from imgfetch.client.publishing import Publishing

    with invocation.client(**flags) as client:
        if place is None:
            steps = client.sync(path, prune=prune, dry_run=dry_run)
        else:
            publishing = Publishing(referrers=referrers, source_creds=src_creds)
            steps = client.sync_to(path, place, publishing, dry_run=dry_run)
        _tell(steps, form)
        if prune and not dry_run:
            client.collect()


def _refuse_contradictions(place: str | None, *, prune: bool, source: bool) -> None:
    if place is None and source:
        message = "--referrers and --src-creds go with --to"
        raise UsageError(message)
    if place is not None and prune:
        message = "--prune is for the store, and --to for other places"
        raise UsageError(message)


def _tell(steps: Sequence[Step], form: str) -> None:
    if form == "json":
        output.raw_json(
            [
                {"action": step.action, "name": step.name, "digest": str(step.digest)}
                for step in steps
            ]
        )
        return
    for step in steps:
        if step.action in _WORDS:
            output.result(f"{_WORDS[step.action]} {step.name} {step.digest}")
