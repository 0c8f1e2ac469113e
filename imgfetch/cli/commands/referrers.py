"""``imgfetch referrers``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import output
from imgfetch.cli.options import format_option, platform_option, registry_options

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation


@click.command("referrers")
@click.option("--type", "artifact_type", metavar="TYPE", default="", help="Only of this type.")
@platform_option
@format_option
@registry_options
@click.argument("reference", metavar="REF")
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    reference: str,
    platform: str | None,
    artifact_type: str,
    form: str,
    **flags: Any,
) -> None:
    """List what refers to an image at its registry: signatures, bills of materials.

    JSON: a list of objects with digest, artifactType (null for none), mediaType, size and
    annotations.
    """
    with invocation.client(**flags) as client:
        found = client.referrers(reference, platform=platform, artifact_type=artifact_type)
    if form == "json":
        output.raw_json(
            [
                {
                    "digest": str(entry.digest),
                    "artifactType": entry.artifact_type,
                    "mediaType": entry.media_type,
                    "size": entry.size,
                    "annotations": dict(entry.annotations),
                }
                for entry in found
            ]
        )
        return
    rows = [
        (str(entry.digest), entry.artifact_type or "-", output.human_size(entry.size))
        for entry in found
    ]
    output.table(("DIGEST", "TYPE", "SIZE"), rows)
