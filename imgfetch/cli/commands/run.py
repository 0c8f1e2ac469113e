"""``imgfetch run``."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import output
from imgfetch.cli.options import (
    REGISTRY_OPTIONS,
    locked_option,
    platform_option,
    pull_option,
    registry_options,
)
from imgfetch.cli.run_flags import run_options, supervision_options
from imgfetch.cli.run_options import parse_here

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgfetch.cli.root import Invocation
    from imgfetch.client.running import Supervision
    from imgfetch.workflow.obtain import Policy
    from imgfetch.workflow.result import RunRecord


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

    With -d the command ends when the container has started; ps, logs, exec, stop, kill, wait
    and rm are for those.
    """
    with ExitStack() as stack:
        record = None
        if values["result"] is not None:
            from imgfetch.workflow.result import recorded

            record = stack.enter_context(recorded(values["result"]))
            record.image = reference
        options = parse_here(invocation, values, arguments)
        flags = {name: values[name] for name in (*REGISTRY_OPTIONS, "locked")}
        client = invocation.client(**flags)
        stack.enter_context(client)
        supervision = _supervision(values, record)
        if values["detach"]:
            container_id = client.start(
                reference,
                options,
                supervision=supervision,
                remove=values["rm"],
                platform=platform,
                policy=policy,
            )
            output.result(container_id)
            return 0
        return client.run(
            reference, options, supervision=supervision, platform=platform, policy=policy
        )


def _supervision(values: Mapping[str, Any], record: RunRecord | None) -> Supervision:
    from imgfetch.client.running import Supervision

    return Supervision(
        runtime=values["runtime"],
        rootfs_mode=values["rootfs_mode"],
        timeout=values["timeout"],
        stop_timeout=values["stop_timeout"],
        signal_proxy=values["sig_proxy"],
        cid_file=_absolute(values["cidfile"]),
        pid_file=_absolute(values["pidfile"]),
        keep=values["keep"],
        record=record,
    )


def _absolute(path: str | None) -> str | None:
    import os

    return None if path is None else os.path.abspath(path)
