"""``imgfetch logs``."""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING

import click

from imgfetch.cli import quantities

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imgfetch.cli.invocation import Invocation
    from imgfetch.runtime.output import Entry


@click.command("logs")
@click.option("-f", "--follow", is_flag=True, help="Go on until the container ends.")
@click.option(
    "--since",
    metavar="TIME",
    callback=quantities.moment,
    help="Only what was written after: 10m, 2030-01-31T12:00:00Z, or seconds since 1970.",
)
@click.option(
    "-n",
    "--tail",
    type=click.IntRange(0),
    metavar="N",
    help="Only the last lines, and what comes after.",
)
@click.option("-t", "--timestamps", is_flag=True, help="Put the time before each line.")
@click.argument("name", metavar="CONTAINER")
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    name: str,
    since: float | None,
    tail: int | None,
    *,
    follow: bool,
    timestamps: bool,
) -> None:
    """Show what a detached container wrote: to standard output and error, as it did."""
    with invocation.client() as client:
        skipped = 0
        if tail is not None:
            # Counted first: what is written in between is shown.
            lines = _lines(_after(client.logs(name), since))
            counted = deque(lines, maxlen=1)
            skipped = max(0, counted[0] - tail) if counted else 0
        whole = True
        for line, entry in _numbered(_after(client.logs(name, follow=follow), since)):
            if line > skipped:
                _write(entry, timestamps=timestamps and whole)
            whole = entry.text.endswith(b"\n")


def _after(entries: Iterable[Entry], since: float | None) -> Iterator[Entry]:
    from imgfetch.runtime.output import format_time

    earliest = "" if since is None else format_time(int(since * 10**9))
    return (entry for entry in entries if entry.time >= earliest)


def _numbered(entries: Iterable[Entry]) -> Iterator[tuple[int, Entry]]:
    """Entries with the number of the line that each is part of, from 1 on."""
    ended = 0
    for entry in entries:
        yield ended + 1, entry
        ended += entry.text.endswith(b"\n")


def _lines(entries: Iterable[Entry]) -> Iterator[int]:
    return (number for number, _ in _numbered(entries))


def _write(entry: Entry, *, timestamps: bool) -> None:
    stream = sys.stderr.buffer if entry.stream == "stderr" else sys.stdout.buffer
    if timestamps:
        stream.write(f"{entry.time} ".encode())
    stream.write(entry.text)
    stream.flush()
