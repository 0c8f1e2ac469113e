"""``imgfetch images`` (``ls``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import output, quantities
from imgfetch.cli.options import format_option

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation
    from imgfetch.workflow.images import StoredImage


_HEADINGS = ("NAME", "DIGEST", "PLATFORMS", "SIZE", "SHARED", "LAST USED", "PINNED")


@click.command("images")
@format_option
@click.pass_obj
def command(invocation: Invocation, /, form: str) -> None:
    """List the images in the store.

    JSON: a list of objects with name (null for none), digest, mediaType, size (bytes of
    configs and layers), sharedSize (bytes of those that other images have too), lastUsed
    (to a day; null where it is not known), pinned (whether only rmi --force removes it) and
    platforms (platform, digest, size of each that was pulled).
    """
    with invocation.client() as client:
        images = client.images()
    if form == "json":
        output.raw_json([_as_json(image) for image in images])
    else:
        output.table(_HEADINGS, [_as_row(image) for image in images])


def _as_json(image: StoredImage) -> dict[str, Any]:
    return {
        "name": image.name,
        "digest": str(image.descriptor.digest),
        "mediaType": image.descriptor.media_type,
        "size": image.size,
        "sharedSize": image.shared_size,
        "lastUsed": quantities.timestamp(image.last_used),
        "pinned": image.pinned,
        "platforms": [
            {
                "platform": one.platform,
                "digest": str(one.digest),
                "size": one.size,
            }
            for one in image.platforms
        ],
    }


def _as_row(image: StoredImage) -> tuple[str, ...]:
    used = quantities.timestamp(image.last_used)
    platforms = ", ".join(one.platform for one in image.platforms)
    return (
        image.name or "<none>",
        image.descriptor.digest.short,
        platforms or "-",
        output.human_size(image.size),
        output.human_size(image.shared_size),
        used.partition("T")[0] if used else "-",
        "yes" if image.pinned else "-",
    )
