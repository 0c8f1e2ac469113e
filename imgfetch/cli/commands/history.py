"""``imgfetch history``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import output
from imgfetch.cli.options import format_option, platform_option, registry_options

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation

_WIDTH = 60


@click.command("history")
@platform_option
@format_option
@registry_options
@click.argument("reference", metavar="REF")
@click.pass_obj
def command(
    invocation: Invocation, /, reference: str, platform: str | None, form: str, **flags: Any
) -> None:
    """Show how an image was made: its steps and the layers that they made, lowest first.

    The image is looked up as inspect does it. What a step says of itself is what its maker
    wrote; only the layers are checked.

    JSON: a list of objects with created (null where it is not said), createdBy, comment,
    layer (its digest, null for a step that made none) and size (bytes of the layer).
    """
    with invocation.client(**flags) as client:
        steps = client.history(reference, platform=platform)
    if form == "json":
        output.raw_json(steps)
        return
    output.table(("CREATED", "LAYER", "SIZE", "CREATED BY"), map(_row, steps))


def _row(step: dict[str, Any]) -> tuple[str, ...]:
    layer = step["layer"]
    made = " ".join((step["createdBy"] or step["comment"]).split())
    return (
        step["created"] or "-",
        layer.partition(":")[2][:12] if layer else "-",
        output.human_size(step["size"]),
        made if len(made) <= _WIDTH else f"{made[: _WIDTH - 1]}…",
    )
