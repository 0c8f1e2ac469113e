"""A program as strict type checkers see it: what is right passes, what is wrong does not.

Not run: `scripts/check` has mypy look at it, to which an ignored error that is none is one.
"""

from __future__ import annotations

import imgfetch
from imgfetch import Client, ContainerOptions, RunResult

COMMON: ContainerOptions = {"read_only": True, "env": {"A": "b"}, "volumes": ["/a:/b"]}


def provision(client: Client, name: str) -> str:
    """Streams have the type that ``text`` says; keywords can be kept together."""
    result: RunResult[str] = client.run(name, ["x"], input="y", text=True, **COMMON)
    raw: bytes = client.run(imgfetch.Reference.parse(name)).stdout
    with client.popen(name, stdout=imgfetch.PIPE) as process:
        output, _ = process.communicate()
    command: str = client.execute(name, "ls", text=True).stdout
    return result.stdout + raw.decode() + output.decode() + command


def show(event: imgfetch.Event) -> str:
    """Events are told apart by their class."""
    if isinstance(event, imgfetch.BlobEvent):
        return f"{event.stage} {event.digest.short} {event.done / event.size:.0%}"
    if isinstance(event, imgfetch.StartedEvent):
        return event.container_id
    return event.message


def mistakes() -> None:
    """Each line has one."""
    client = Client(stor="x")  # type: ignore[call-arg]  # store
    client.run("x", volume=["a"])  # type: ignore[call-overload]  # volumes
    client.run("x", input="text")  # type: ignore[call-overload]  # text=True is missing
    client.run("x", text=True).stdout.decode()  # type: ignore[attr-defined]  # it is text
    imgfetch.Cleint  # type: ignore[attr-defined]  # noqa: B018 - Client
