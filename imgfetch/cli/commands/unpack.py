"""``imgfetch unpack``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli.options import platform_option, pull_option, registry_options

if TYPE_CHECKING:
    from imgfetch.cli.root import Invocation
    from imgfetch.workflow.obtain import Policy


@click.command("unpack")
@click.option("--rootfs-only", is_flag=True, help="DIR itself becomes the root file system.")
@click.option("--rootless", is_flag=True, help="Everything belongs to the caller, also as root.")
@pull_option
@platform_option
@registry_options
@click.argument("reference", metavar="REF")
@click.argument("directory", metavar="DIR")
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    reference: str,
    directory: str,
    platform: str | None,
    policy: Policy,
    *,
    rootfs_only: bool,
    rootless: bool,
    **flags: Any,
) -> None:
    """Make an OCI bundle of an image: DIR/rootfs and DIR/config.json.

    DIR must be absent or empty. As an ordinary user, all files belong to that user.
    """
    with invocation.client(**flags) as client:
        client.unpack(
            reference,
            directory,
            platform=platform,
            policy=policy,
            rootless=rootless,
            rootfs_only=rootfs_only,
        )
