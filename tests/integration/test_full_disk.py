"""Whole commands on a file system with too little room, a bit more of it each time.

Each fails in good order until there is enough; with room, the next one just works.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tests.support.preloaded import workers
from tests.support.scarcity import starve
from tests.support.whole_commands import COMMANDS, World, world

__all__ = ["workers", "world"]


# What mkfs.erofs says when there is no room is up to it.
@pytest.mark.parametrize("command", [one for one in COMMANDS if not one.startswith("export")])
def test_no_room_is_told_and_harms_nothing(
    world: World,
    workers: ProcessPoolExecutor,
    tmp_path: Path,
    command: str,
    record_property: Callable[[str, object], None],
) -> None:
    """R090: no space, and no inodes."""
    kinds = ["size", "nr_inodes"]
    starved = [workers.submit(starve, world, tmp_path / kind, command, kind) for kind in kinds]
    for one in starved:
        record_property("tried", one.result())
