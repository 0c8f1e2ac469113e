"""``imgfetch export``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli.options import (
    compression_option,
    obtaining_options,
)
from imgfetch.cli.streams import output_target

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation
    from imgfetch.tar.compressor import Compression
    from imgfetch.workflow.export import ExportForm
    from imgfetch.workflow.obtain import Policy


@click.command("export")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    default="-",
    help="What to write.  [default: standard output]",
)
@click.option(
    "--as",
    "form",
    type=click.Choice(["tar", "squashfs", "erofs"]),
    default="tar",
    show_default=True,
    help="In which form.",
)
@compression_option
@obtaining_options
@click.argument("reference", metavar="REF")
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    reference: str,
    output: str,
    form: ExportForm,
    compression: Compression | None,
    platform: str | None,
    policy: Policy,
    **flags: Any,
) -> None:
    """Write an image's root filesystem to a file.

    A tar is written straight from the layers: owners, devices, hard links, holes, times and
    extended attributes are the image's also without root, and the same image gives the same
    bytes. Left out are extended attributes that mean something to the host, as unpack does.
    It is compressed as FILE's name says (.tar.gz, .tar.zst), or --compression.

    squashfs needs sqfstar (squashfs-tools 4.5 or later), erofs needs mkfs.erofs
    (erofs-utils). An erofs is made of an unpacked tree: without root it has no devices, and
    without subordinate ids everything in it is root's.
    """
    from imgfetch.client.archives import Exporting

    target = output_target(output)
    with invocation.client(**flags) as client:
        client.export(
            reference, target, Exporting(form, compression), platform=platform, policy=policy
        )
