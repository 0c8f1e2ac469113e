"""``imgfetch save``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli.options import (
    compression_option,
    locked_option,
    platforms_options,
    pull_option,
    refuse_both,
    registry_options,
)
from imgfetch.cli.streams import output_target

if TYPE_CHECKING:
    from imgfetch.archive.forms import Form
    from imgfetch.cli.invocation import Invocation
    from imgfetch.tar.compressor import Compression
    from imgfetch.workflow.obtain import Policy


@click.command("save")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    default="-",
    help="What to write; a directory for oci and dir.  [default: standard output]",
)
@click.option(
    "--as",
    "form",
    type=click.Choice(["oci-archive", "docker-archive", "oci", "dir"]),
    default="oci-archive",
    show_default=True,
    help="In which form.",
)
@compression_option
@platforms_options(
    one="Instead of this machine's platform; may be repeated.",
    every="Every platform of the images.",
)
@click.option(
    "--skip-nondistributable",
    is_flag=True,
    help="Leave out layers that only their maker may distribute.",
)
@pull_option
@locked_option
@registry_options
@click.argument("references", metavar="REF...", nargs=-1, required=True)
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    references: tuple[str, ...],
    output: str,
    form: Form,
    compression: Compression | None,
    platforms: tuple[str, ...],
    policy: Policy,
    *,
    all_platforms: bool,
    skip_nondistributable: bool,
    **flags: Any,
) -> None:
    """Write images to an archive, or to a directory.

    An oci-archive is an OCI layout in a tar that docker load and podman load take as well.
    Manifests and blobs are in it as they were received, so that digests stay; a docker-archive
    has no place for manifests, so that its digests are those of configs and layers only.
    oci is the layout as a directory, dir one image in a directory, as skopeo has them; the
    directory has to be absent or empty. The same images give the same bytes.

    A tar is compressed as FILE's name says (.tar.gz, .tar.zst), or --compression. An index is
    saved as it is, with those of its platforms that are wanted. The file shows up when it is
    whole.
    """
    from imgfetch.client.archives import Saving

    refuse_both(platforms, all_platforms=all_platforms)
    saving = Saving(form, compression, platforms, all_platforms, skip_nondistributable)
    target = output_target(output)
    with invocation.client(**flags) as client:
        client.save(references, target, saving, policy=policy)
