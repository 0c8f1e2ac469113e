"""Commands on a file system with too little room, a bit more of it each time.

To be used in one of `tests.support.preloaded.workers`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support import preloaded
from tests.support.cli import Imgfetch, Result
from tests.support.mounts import small_tmpfs
from tests.support.trees import Tree
from tests.support.whole_commands import (
    COMMANDS,
    World,
    check_whole,
    output_tree,
    store_tree,
)

PAGE = 4096
ROOMY = {"size": 64 << 20, "nr_inodes": 1 << 16}

_SAYS = {
    "size": re.compile(r"no space left on the file system of .*\n( +expected .* free\n)?.* free"),
    "nr_inodes": re.compile(r"no inodes left on the file system of "),
}
# What runc says of itself, when it is the first who finds no room.
_RUNTIME_SAYS = re.compile(r"runc.*(no space left on device|\n +hardly any (space|inodes) )")


def _limit(directory: Path, **options: int) -> None:
    words = ",".join(f"{name}={value}" for name, value in {**ROOMY, **options}.items())
    argv = ["mount", "-o", f"remount,{words}", str(directory)]
    subprocess.run(argv, check=True, timeout=10)


def _used(directory: Path, what: str) -> int:
    status = os.statvfs(directory)
    if what == "size":
        return (status.f_blocks - status.f_bfree) * status.f_frsize
    return status.f_files - status.f_ffree


def _growing() -> Iterator[int]:
    """0, 1, 2, 3, 4, 6, 9, 13, and so on."""
    room = 0
    while True:
        yield room
        room = max(room + 1, room * 3 // 2)


def _check_failed(command: str, what: str, result: Result) -> None:
    status = 125 if command == "run" else 15
    result.exited(status)
    said = _SAYS[what].search(result.errors)
    assert said or (command == "run" and _RUNTIME_SAYS.search(result.errors)), result.errors


def starve(world: World, directory: Path, command: str, what: str) -> str:
    """Runs a command with more and more room, until it has enough.

    Args:
        world: what the command needs.
        directory: for a file system, which is mounted while this runs.
        command: see `COMMANDS`.
        what: ``size`` or ``nr_inodes``.

    Returns:
        How often it failed, in words.
    """
    prepared, _ = COMMANDS[command]
    args = world.args(command)
    unit = PAGE if what == "size" else 1
    failures = 0
    with small_tmpfs(directory, size=ROOMY["size"], inodes=ROOMY["nr_inodes"]) as mounted:
        clean = world.place("clean", prepared, mounted)
        before = store_tree(clean.store)
        preloaded.run(clean, *args).succeeded()
        after, written = store_tree(clean.store), output_tree(clean)
        for room in _growing():
            here = world.place(str(room), prepared, mounted)
            _limit(mounted, **{what: _used(mounted, what) + room * unit})
            result = preloaded.run(here, *args)
            _limit(mounted)
            if result.returncode == 0:
                break
            failures += 1
            _check_failed(command, what, result)
            check_whole(here, command, before | after, written)
            preloaded.run(here, *args).succeeded()
            _check_after(here, after, written)
            shutil.rmtree(here.store.parent)
    return f"{command}: failed {failures} times for want of {what}, not with {room}"


def _check_after(here: Imgfetch, after: Tree, written: Tree) -> None:
    store = store_tree(here.store)
    assert set(store) == set(after)
    assert store == after
    assert output_tree(here) == written
