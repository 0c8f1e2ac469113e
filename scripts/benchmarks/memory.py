"""The memory of a process and of all that descend from it, together.

Each process counts its share of the pages that it has in common with others (PSS): forked
children have nearly all of them in common with their parents.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

_INTERVAL = 0.01


def watch_memory(process: subprocess.Popen[bytes]) -> int:
    """Returns the most bytes that a tree of processes has at a time, until it ends."""
    most = 0
    while process.poll() is None:
        most = max(most, sum(_share(pid) for pid in _tree(process.pid)))
        time.sleep(_INTERVAL)
    return most


def _tree(pid: int) -> Iterator[int]:
    yield pid
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _tree(int(child))


def _share(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
