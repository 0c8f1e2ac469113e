"""Bars on a terminal: of its width, in colours unless it has none, in ASCII if need be.

Nothing is drawn in a pipe: what reads that wants words. ``NO_COLOR`` (no-color.org) and
``TERM=dumb`` are heeded.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Literal

from imgfetch.cli import output

Style = Literal["plain", "bold", "faint", "kept", "wasted"]

_CODES: dict[Style, str] = {"bold": "1", "faint": "2", "kept": "36", "wasted": "33"}
_MIN_WIDTH = 24
_MAX_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Terminal:
    """What standard output can show.

    Attributes:
        width: columns.
        colours: whether it has any.
        blocks: whether it has block characters.
    """

    width: int
    colours: bool
    blocks: bool

    def styled(self, text: str, style: Style) -> str:
        """The text, made safe, in a style if the terminal has any."""
        text = output.safe(text) if self.blocks else output.safe(text).replace("…", "~")
        if not self.colours or style == "plain" or not text:
            return text
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m"

    def bar(self, width: int, kept: int, wasted: int, whole: int) -> str:
        """A bar of two parts, as long as both together are of the whole.

        Args:
            width: of the whole, in columns.
            kept: bytes.
            wasted: bytes.
            whole: bytes.
        """
        long = _cells(kept + wasted, whole, width)
        # Each part that is not empty is seen, where there is room for both.
        end = min(_cells(wasted, whole, width), long - 1 if kept else long)
        full, hatched = "█░" if self.blocks else "#."
        start = self.styled(full * (long - max(end, 0)), "kept")
        return start + self.styled(hatched * max(end, 0), "wasted")


def _cells(part: int, whole: int, width: int) -> int:
    return max(round(part / whole * width), 1) if part else 0


def terminal() -> Terminal | None:
    """The terminal that standard output is; None when it is none, or can do nothing."""
    if not sys.stdout.isatty():
        return None
    dumb = os.environ.get("TERM", "dumb") == "dumb"
    colours = not dumb and not os.environ.get("NO_COLOR")
    return Terminal(_width(), colours, blocks=not dumb and _has_blocks())


def _width() -> int:
    # Slow to import, and only used here.
    import shutil

    return max(min(shutil.get_terminal_size().columns, _MAX_WIDTH), _MIN_WIDTH)


def _has_blocks() -> bool:
    try:
        "█░…".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
