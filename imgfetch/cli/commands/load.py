"""``imgfetch load``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from imgfetch.cli import output
from imgfetch.cli.streams import input_source

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation


@click.command("load")
@click.option(
    "-i",
    "--input",
    "source",
    metavar="FILE",
    default="-",
    help="An archive or a directory.  [default: standard input]",
)
@click.option("--force", is_flag=True, help="Let names move that stand for another image.")
@click.pass_obj
def command(invocation: Invocation, /, source: str, *, force: bool) -> None:
    """Take all images of an archive into the store.

    Takes what save, docker save, podman save and skopeo write: OCI layouts and their archives,
    docker archives since 1.10, and directories of skopeo, compressed with gzip, zstd, xz or
    bzip2 or not at all. All content is verified.

    An image keeps the names that the archive has for it; without a repository it becomes
    localhost/FILE:TAG, without any name localhost/FILE@DIGEST. A name that stands for
    another image already is an error (exit status 16) unless --force is given: all names of the
    archive are taken, or none.

    Prints NAME@DIGEST for each name and platform.
    """
    with invocation.client() as client:
        for image in client.load(input_source(source), force=force):
            output.result(str(image))
