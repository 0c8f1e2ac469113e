"""``imgfetch ps``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import output, quantities
from imgfetch.cli.options import format_option

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation
    from imgfetch.runtime.containers import Container

_HEADINGS = ("CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAME")
_SHORT_ID = 12
_LONGEST_COMMAND = 30
_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60))


@click.command("ps")
@click.option("-a", "--all", "all_", is_flag=True, help="Also those that have ended.")
@click.option("-q", "--quiet", "ids_only", is_flag=True, help="Only their ids.")
@format_option
@click.pass_obj
def command(invocation: Invocation, /, form: str, *, all_: bool, ids_only: bool) -> None:
    """List detached containers; those in the foreground are their callers' business.

    A container is dead if nobody saw how it ended: its supervisor was killed, or the
    machine was turned off.

    JSON: a list of objects with id, name (null for none), image, digest, command (a list),
    created, labels, ports (address, host_port, container_port, protocol), state (running,
    exited or dead), pid (of its first process, null where it can't be seen), exitCode and
    ended (null while it runs or where nobody saw it), and remove (whether it was run with
    --rm).
    """
    with invocation.client() as client:
        containers = [one for one in client.containers() if all_ or one.state == "running"]
    if ids_only:
        for container in containers:
            output.result(container.container_id[:_SHORT_ID])
    elif form == "json":
        output.raw_json([_as_json(container) for container in containers])
    else:
        output.table(_HEADINGS, [_as_row(container) for container in containers])


def _as_json(container: Container) -> dict[str, Any]:
    facts, ending = container.facts, container.ending or {}
    return {
        "id": container.container_id,
        "name": container.name,
        "image": facts.image,
        "digest": facts.digest,
        "command": list(facts.argv),
        "created": quantities.timestamp(facts.created),
        "labels": facts.labels,
        "ports": list(facts.ports),
        "state": container.state,
        "pid": container.process(),
        "exitCode": ending.get("exit_code"),
        "ended": ending.get("ended_at"),
        "remove": facts.remove,
    }


def _as_row(container: Container) -> tuple[str, ...]:
    facts = container.facts
    command = " ".join(facts.argv)
    if len(command) > _LONGEST_COMMAND:
        command = command[: _LONGEST_COMMAND - 1] + "…"
    ports = [
        f"{port['address'] or '0.0.0.0'}:{port['host_port']}"  # noqa: S104 - as docker shows it
        f"->{port['container_port']}/{port['protocol']}"
        for port in facts.ports
    ]
    return (
        container.container_id[:_SHORT_ID],
        facts.image,
        command,
        f"{_ago(facts.created)} ago",
        _status(container),
        ", ".join(ports) or "-",
        container.name or "-",
    )


def _status(container: Container) -> str:
    if container.state == "running":
        return "running"
    if container.state == "dead":
        return "dead"
    return f"exited ({container.exit_status})"


def _ago(moment: float) -> str:
    seconds = max(0, int(time.time() - moment))
    for unit, size in _UNITS:
        if seconds >= size:
            return _count(seconds // size, unit)
    return _count(seconds, "second")


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
