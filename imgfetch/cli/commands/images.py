"""``imgfetch images`` (``ls``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import output
from imgfetch.cli.options import format_option

if TYPE_CHECKING:
    from imgfetch.cli.root import Invocation
    from imgfetch.workflow.images import StoredImage


@click.command("images")
@format_option
@click.pass_obj
def command(invocation: Invocation, /, form: str) -> None:
    """List the images in the store.

    JSON: a list of objects with name (null for none), digest, mediaType, size (bytes of
    configs and layers) and platforms (platform, digest, size of each that was pulled).
    """
    with invocation.client() as client:
        images = client.images()
    if form == "json":
        output.raw_json([_as_json(image) for image in images])
    else:
        output.table(("NAME", "DIGEST", "PLATFORMS", "SIZE"), [_as_row(image) for image in images])


def _as_json(image: StoredImage) -> dict[str, Any]:
    return {
        "name": image.name,
        "digest": str(image.descriptor.digest),
        "mediaType": image.descriptor.media_type,
        "size": image.size,
        "platforms": [
            {
                "platform": str(platform.config.platform),
                "digest": str(platform.descriptor.digest),
                "size": platform.size,
            }
            for platform in image.images
        ],
    }


def _as_row(image: StoredImage) -> tuple[str, ...]:
    platforms = ", ".join(str(platform.config.platform) for platform in image.images)
    return (
        image.name or "<none>",
        image.descriptor.digest.short,
        platforms or "-",
        output.human_size(image.size),
    )
