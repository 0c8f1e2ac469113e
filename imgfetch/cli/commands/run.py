"""``imgfetch run``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli.options import (
    REGISTRY_OPTIONS,
    locked_option,
    platform_option,
    pull_option,
    registry_options,
)
from imgfetch.cli.run_options import parse_here, run_options, supervision_options

if TYPE_CHECKING:
    from imgfetch.cli.root import Invocation
    from imgfetch.workflow.obtain import Policy


@click.command(
    "run",
    # What follows the image is the container's, whatever it looks like.
    context_settings={"allow_interspersed_args": False},
)
@run_options
@supervision_options
@pull_option
@locked_option
@platform_option
@registry_options
@click.argument("reference", metavar="REF")
@click.argument("arguments", metavar="[CMD [ARG...]]", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    reference: str,
    arguments: tuple[str, ...],
    platform: str | None,
    policy: Policy,
    **values: Any,
) -> int:
    """Run a command in a container of an image, and exit with its status.

    The image is fetched if it is not in the store. The container ends with this command,
    however it ends, and leaves nothing behind. Options mean what they mean in docker.
    """
    from imgfetch.client.containers import Supervision

    options = parse_here(invocation, values, arguments)
    supervision = Supervision(
        runtime=values["runtime"],
        rootfs_mode=values["rootfs_mode"],
        timeout=values["timeout"],
        stop_timeout=values["stop_timeout"],
        signal_proxy=values["sig_proxy"],
    )
    with invocation.client(
        **{name: values[name] for name in (*REGISTRY_OPTIONS, "locked")}
    ) as client:
        return client.run(
            reference, options, supervision=supervision, platform=platform, policy=policy
        )
