"""Progress on a terminal: a line for each layer, drawn again as the work goes on.

Drawn by whoever reports progress, ten times a second at most, and by no thread: a process that
makes a user namespace may have one thread only (unshare(2)). After each drawing the cursor is
below the lines, at the left, and visible, so a process may end at any moment and leave a terminal
that is in order.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.style import Style
from rich.table import Table
from rich.text import Text

from imgfetch.cli import output

if TYPE_CHECKING:
    from imgfetch.interfaces import Stage
    from imgfetch.oci.descriptor import Descriptor

_INTERVAL = 0.1
"""Seconds between two drawings of what is merely further than before."""

# Narrower than this there is room for a bar and a part of a hundred, and for no more.
_NARROW = 60
_NAME = 12
_USUAL_SIZE = (80, 24)
_BAR = 20
_ENDED = frozenset({"present", "done", "applied", "mounted", "pushed"})
_MOVING = frozenset({"fetching", "pushing"})
_ARRIVING = frozenset({"waiting", "fetching"})
_WORDS = {
    "waiting": "waiting for another",
    "present": "already here",
    "done": "fetched",
    "applying": "unpacking",
    "applied": "unpacked",
    "mounted": "mounted",
    "pushing": "pushing",
    "pushed": "pushed",
}
_UP_AND_CLEAR = "\x1b[{rows}A\r\x1b[J"


@dataclass(slots=True)
class _Row:
    """How far a layer is.

    Attributes:
        size: its bytes, as they come.
        stage: what is being done with it.
        done: bytes that are through this stage.
        resumed: bytes that were here already when the transfer began.
        since: when the transfer began, in seconds of the monotonic clock.
        ended: when it ended; until then, now.
        awaited: whether it is unpacked as soon as it has arrived.
    """

    size: int
    stage: Stage
    done: int = 0
    resumed: int = 0
    since: float = 0.0
    ended: float | None = None
    awaited: bool = False

    def move(self, stage: Stage, done: int, now: float) -> None:
        """Takes what was reported."""
        if stage == "applying" and self.stage in _ARRIVING:
            # Whoever unpacks waits for the layer, and has said so already.
            self.awaited = True
            return
        if stage == "done" and self.awaited:
            stage = "applying"
        if stage in _MOVING and self.stage != stage:
            self.resumed, self.since, self.ended = done, now, None
        elif stage not in _MOVING and self.ended is None:
            self.ended = now
        self.stage, self.done = stage, done

    def speed(self, now: float) -> float:
        """Bytes a second of this transfer; those that were here already don't count."""
        seconds = (self.ended or now) - self.since
        return (self.done - self.resumed) / seconds if self.since and seconds > 0 else 0.0

    def words(self, now: float) -> str:
        """What is going on, in words."""
        if self.stage in _MOVING and self.done >= self.size:
            return "verifying"
        if self.stage in _MOVING:
            return f"{output.human_size(int(self.speed(now)))}/s"
        said = _WORDS.get(self.stage, self.stage)
        if self.stage == "done" and self.resumed:
            return f"{said}, {output.human_size(self.resumed)} resumed"
        return said


class Bars:
    """The lines on the terminal.

    Args:
        console: where they go; standard error by default. NO_COLOR is respected.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(file=sys.stderr, highlight=False)
        self._rows: dict[str, _Row] = {}
        self._lock = threading.Lock()
        self._drawn_at = float("-inf")
        self._widths: list[int] = []

    def update(self, descriptor: Descriptor, stage: Stage, done: int) -> None:
        """Takes how far a layer is, and draws it when it is time."""
        now = time.monotonic()
        with self._lock:
            name = descriptor.digest.short
            before = self._rows[name].stage if name in self._rows else None
            row = self._rows.setdefault(name, _Row(descriptor.size, "waiting"))
            row.move(stage, done, now)
            news = row.stage != before
            if news or now - self._drawn_at >= _INTERVAL:
                self._draw(now)

    def warn(self, message: str) -> None:
        """Prints a warning above the lines."""
        with self._lock:
            self._erase()
            output.warning(message)
            self._draw(time.monotonic())

    def _draw(self, now: float) -> None:
        """Replaces the lines by new ones, in one write."""
        self._drawn_at = now
        columns, height = _terminal_size()
        shown = self._shown(max(height - 2, 1))
        table = self._table(shown, columns, now)
        with self._console.capture() as capture:
            self._console.print(table, width=columns, no_wrap=True, overflow="ellipsis", crop=True)
            if hidden := len(self._rows) - len(shown):
                self._console.print(Text(f"and {hidden} more", style="dim"), width=columns)
        lines = capture.get()
        erase = self._erasing(columns)
        self._widths = [columns] * lines.count("\n")
        self._write(erase + lines)

    def _erase(self) -> None:
        """Takes the lines away."""
        self._write(self._erasing(_terminal_size()[0]))
        self._widths = []

    def _erasing(self, columns: int) -> str:
        """What takes the cursor to the first line's begin and clears all below.

        Lines that were drawn on a wider terminal have been wrapped by it since.
        """
        rows = sum(-(-width // max(columns, 1)) for width in self._widths)
        return _UP_AND_CLEAR.format(rows=rows) if rows else ""

    @staticmethod
    def _write(text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            # Nobody looks any more; that is no reason to fail.
            return

    def _shown(self, limit: int) -> list[tuple[str, _Row]]:
        """The rows for which there is room: those being worked on come before those that ended."""
        rows = list(self._rows.items())
        if len(rows) <= limit:
            return rows
        busy = [name for name, row in rows if row.stage not in _ENDED]
        ended = [name for name, row in rows if row.stage in _ENDED]
        kept = set([*busy, *reversed(ended)][:limit])
        return [(name, row) for name, row in rows if name in kept]

    @staticmethod
    def _table(rows: list[tuple[str, _Row]], columns: int, now: float) -> Table:
        """The rows in columns that fit the terminal."""
        bar_width = _BAR if columns >= _NARROW else max(columns - 24, 4)
        table = Table.grid(padding=(0, 2, 0, 0) if columns >= _NARROW else (0, 1, 0, 0))
        # Only the words at the end are shortened when there is not enough room.
        table.add_column(no_wrap=True, min_width=_NAME)
        table.add_column(no_wrap=True, min_width=bar_width)
        amounts = [_bytes(row) if columns >= _NARROW else _part(row) for _, row in rows]
        table.add_column(justify="right", no_wrap=True, min_width=max(map(len, amounts)))
        if columns >= _NARROW:
            table.add_column(no_wrap=True, overflow="ellipsis")
        for (name, row), amount in zip(rows, amounts, strict=True):
            ended = row.stage in _ENDED
            bar = ProgressBar(
                total=max(row.size, 1),
                completed=row.size if ended or row.stage == "applying" else row.done,
                width=bar_width,
                complete_style="cyan",
                finished_style="green" if ended else "cyan",
            )
            words = [Text(row.words(now), "green" if ended else "")] if columns >= _NARROW else []
            table.add_row(Text(name, Style(bold=not ended)), bar, Text(amount), *words)
        return table


def _terminal_size() -> tuple[int, int]:
    """Columns and lines of the terminal; standard output may be a pipe meanwhile."""
    try:
        columns, lines = os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError):
        return _USUAL_SIZE
    return columns or _USUAL_SIZE[0], lines or _USUAL_SIZE[1]


def _bytes(row: _Row) -> str:
    """How much of how much."""
    size = output.human_size(row.size)
    if row.stage not in _MOVING:
        return size
    number, unit = size.split()
    scale = row.size / float(number) if row.size else 1.0
    done = f"{row.done / scale:.{0 if unit == 'B' else 1}f}"
    return f"{done} of {size}"


def _part(row: _Row) -> str:
    """How much, for a terminal with no room for more."""
    if row.stage in _MOVING:
        return f"{100 * row.done // max(row.size, 1)} %"
    return _WORDS.get(row.stage, row.stage).split()[0]
