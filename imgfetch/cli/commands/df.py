"""``imgfetch df``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from imgfetch.cli import output
from imgfetch.cli.options import format_option

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation


@click.command("df")
@format_option
@click.pass_obj
def command(invocation: Invocation, /, form: str) -> None:
    """Show what the store takes, and what of it prune would free.

    Unpacked layers are counted by the bytes of their tar streams.

    JSON: store (its path), free (bytes left on its file system, null where it does not tell),
    and blobs, snapshots (unpacked layers) and partial (broken transfers), each with count,
    size and reclaimable in bytes.
    """
    with invocation.client() as client:
        usage = client.disk_usage()
    if form == "json":
        output.raw_json(asdict(usage))
        return
    rooms = (
        ("blobs", usage.blobs),
        ("unpacked layers", usage.snapshots),
        ("partial downloads", usage.partial),
    )
    rows = [
        (name, str(room.count), output.human_size(room.size), output.human_size(room.reclaimable))
        for name, room in rooms
    ]
    output.table(("WHAT", "COUNT", "SIZE", "RECLAIMABLE"), rows)
    if usage.free is not None:
        output.result(f"{output.human_size(usage.free)} free in {usage.store}")
