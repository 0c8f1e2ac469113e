"""``imgfetch unpack``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli.options import obtaining_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgfetch.cli.invocation import Invocation
    from imgfetch.fs.idmap import IdMapping
    from imgfetch.workflow.obtain import Policy


@click.command("unpack")
@click.option("--rootfs-only", is_flag=True, help="DIR itself becomes the root file system.")
@click.option("--rootless", is_flag=True, help="Everything belongs to the caller, also as root.")
@click.option(
    "--uid-map",
    "uid_maps",
    metavar="C:H:N",
    multiple=True,
    help="Give files of N users from C on to users from H on, for a user namespace.",
)
@click.option(
    "--gid-map",
    "gid_maps",
    metavar="C:H:N",
    multiple=True,
    help="The same for groups; one of the two stands for both.",
)
@click.option(
    "--keep-dirlinks",
    is_flag=True,
    help="Let a layer's directory leave a link to a directory in its place.",
)
@obtaining_options
@click.argument("reference", metavar="REF")
@click.argument("directory", metavar="DIR")
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    reference: str,
    directory: str,
    uid_maps: tuple[str, ...],
    gid_maps: tuple[str, ...],
    platform: str | None,
    policy: Policy,
    *,
    rootfs_only: bool,
    rootless: bool,
    keep_dirlinks: bool,
    **flags: Any,
) -> None:
    """Make an OCI bundle of an image: DIR/rootfs and DIR/config.json.

    DIR must be absent or empty. As an ordinary user, all files belong to that user. Nothing is
    synced to the disk: after a power loss, unpack once more.
    """
    from imgfetch.client.bundles import Unpacking

    unpacking = Unpacking(rootless, rootfs_only, _ids(uid_maps, gid_maps), keep_dirlinks)
    with invocation.client(**flags) as client:
        client.unpack(reference, directory, unpacking=unpacking, platform=platform, policy=policy)


def _ids(uid_maps: Sequence[str], gid_maps: Sequence[str]) -> IdMapping | None:
    """The maps of ids; as in podman, one of the two stands for both."""
    from imgfetch.bundle.grammar import parse_id_range
    from imgfetch.fs.idmap import IdMapping

    uids = tuple(parse_id_range(text, "uid-map") for text in uid_maps)
    gids = tuple(parse_id_range(text, "gid-map") for text in gid_maps)
    return IdMapping(uids or gids, gids or uids) if uids or gids else None
