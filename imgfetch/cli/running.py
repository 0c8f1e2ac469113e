"""What ``imgfetch run`` does with a command line, whoever has read it."""

from __future__ import annotations

import os

from imgfetch.cli import flags
from imgfetch.cli.run_options import parse_here
from imgfetch.lean.contextlib import ExitStack, closing
from imgfetch.lean.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgfetch.cli.invocation import Invocation
    from imgfetch.client.running import Supervision
    from imgfetch.workflow.result import RunRecord

_SETTINGS = (*(option.name for option in flags.REGISTRY), flags.LOCKED.name)


def run(
    invocation: Invocation, reference: str, arguments: tuple[str, ...], values: Mapping[str, Any]
) -> int:
    """Run a container, or have it started in the background.

    Args:
        invocation: this call.
        reference: the image.
        arguments: what follows it.
        values: of the options in `imgfetch.cli.quick.OPTIONS`, by name.

    Returns:
        The exit status.
    """
    with ExitStack() as stack:
        record = None
        if values["result"] is not None:
            from imgfetch.workflow.result import recorded

            record = stack.enter_context(recorded(values["result"]))
            record.image = reference
        options = parse_here(invocation, values, arguments)
        flags = {name: values[name] for name in _SETTINGS}
        supervision = _supervision(values, record)
        platform, policy = values["platform"], values["policy"]
        if values["detach"]:
            from imgfetch.cli import output

            client = stack.enter_context(invocation.client(**flags))
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
        from imgfetch.client import running

        # Of a client's verbs, this one starts often enough to be had by itself.
        with_ = stack.enter_context(closing(invocation.collaborators(**flags)))
        return running.run(with_, reference, options, supervision, platform=platform, policy=policy)


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
        strict=values["strict"],
    )


def _absolute(path: str | None) -> str | None:
    return None if path is None else os.path.abspath(path)
