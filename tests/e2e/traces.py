"""What a container leaves on a machine, found by its id or by a word of its command line."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path


def processes_with(word: str) -> list[str]:
    """Processes whose command line has a word in it, as ``pid: command line``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = path.read_bytes()
        except OSError:  # it has ended since
            continue
        if word.encode() in arguments:
            found.append(f"{path.parent.name}: {arguments!r}")
    return found


def mounts_with(word: str) -> list[str]:
    """Mounts in this or any other mount namespace with a word in their line."""
    found: set[str] = set()
    for path in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            lines = path.read_text(errors="replace").splitlines()
        except OSError:
            continue
        found.update(line for line in lines if word in line)
    return sorted(found)


def cgroups_with(word: str) -> list[str]:
    """Control groups with a word in their name, in any hierarchy."""
    # Path.rglob would not bear that others' groups vanish while it looks.
    return sorted(
        f"{path}/{name}"
        for path, directories, _ in os.walk("/sys/fs/cgroup")
        for name in directories
        if word in name
    )


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether a condition becomes true; a limit for failures, not a measurement."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
