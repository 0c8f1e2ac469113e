"""``imgfetch prune``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from imgfetch.cli import output, quantities
from imgfetch.cli.options import format_option

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation
    from imgfetch.client.housekeeping import Pruned


@click.command("prune")
@click.option(
    "--max-size",
    metavar="SIZE",
    callback=quantities.size,
    help="Remove the names that were not used for longest until the store holds at most this"
    " (blobs and unpacked layers), e.g. 20G.",
)
@click.option(
    "--unused-for",
    metavar="AGE",
    callback=quantities.age,
    help="Remove names that were not used for so long, e.g. 30d (s, m, h, d, w).",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be freed.")
@format_option
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    max_size: int | None,
    unused_for: int | None,
    form: str,
    *,
    dry_run: bool,
) -> None:
    """Free what no name in the store leads to: blobs and unpacked layers.

    Names are removed only with --max-size or --unused-for, never one that is pinned or whose
    image a running container uses. An image is used when it is pulled, run, unpacked or saved;
    that is remembered to a day. While pulls are under way, nothing is freed.

    JSON: names (removed), blobs (bytes freed), snapshots (names of unpacked layers), unpacked
    (bytes of their tar streams) and dryRun.
    """
    from imgfetch.workflow.evict import Limits

    since = None if unused_for is None else time.time() - unused_for
    with invocation.client() as client:
        pruned = client.prune(Limits(max_size, since), dry_run=dry_run)
    if form == "json":
        output.raw_json(_as_json(pruned, dry_run=dry_run))
        return
    for name in pruned.names:
        output.result(f"- {name}")
    would = "would free" if dry_run else "freed"
    output.result(
        f"{would} {output.human_size(pruned.blobs)} of blobs and"
        f" {output.human_size(pruned.unpacked)} of unpacked layers"
    )


def _as_json(pruned: Pruned, *, dry_run: bool) -> dict[str, object]:
    return {
        "names": list(pruned.names),
        "blobs": pruned.blobs,
        "snapshots": list(pruned.snapshots),
        "unpacked": pruned.unpacked,
        "dryRun": dry_run,
    }
