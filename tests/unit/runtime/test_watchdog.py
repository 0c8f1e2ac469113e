"""Which processes a watchdog ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imgfetch.runtime.watchdog import Watchdog, descendants, kill_tree

# Two shells, one below the other, that start a sleep each.
TREE = "sleep 600 & sh -c 'sleep 600 & echo ready; wait' & wait"


def make_tree() -> subprocess.Popen[bytes]:
    tree = subprocess.Popen(["sh", "-c", TREE], stdout=subprocess.PIPE)
    assert tree.stdout is not None
    assert tree.stdout.readline() == b"ready\n"
    return tree


def test_descendants_are_found_by_their_parents(tmp_path: Path) -> None:
    for pid, name, parent in ((10, "a", 1), (11, "b) R 99", 10), (12, "c (", 11), (20, "d", 1)):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} ({name}) S {parent} 0 0")
    (tmp_path / "13").mkdir()  # it has ended since
    (tmp_path / "self").mkdir()
    assert descendants(10, tmp_path) == [11, 12]
    assert descendants(20, tmp_path) == []


def test_a_whole_tree_is_killed() -> None:
    with make_tree() as tree:
        found = descendants(tree.pid, Path("/proc"))
        assert len(found) == 3
        kill_tree(tree.pid)
        assert tree.wait() == -signal.SIGKILL
        kill_tree(tree.pid)  # nothing is left


def test_the_supervisors_end_is_the_trees() -> None:
    """R145."""
    with make_tree() as tree:
        supervisor = os.fork()
        if supervisor == 0:
            Watchdog.start().watch(tree.pid)
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(supervisor, 0)
        assert tree.wait(timeout=10) == -signal.SIGKILL


@pytest.mark.parametrize("watching", [True, False])
def test_a_watchdog_that_is_released_ends_nothing(watching: bool) -> None:
    with make_tree() as tree:
        watchdog = Watchdog.start()
        if watching:
            watchdog.watch(tree.pid)
        watchdog.release()
        time.sleep(0.05)
        assert tree.poll() is None
        kill_tree(tree.pid)


def test_a_container_is_killed_by_its_pid_file(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    Watchdog.kill_container(pid_file)
    pid_file.write_text("")
    Watchdog.kill_container(pid_file)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        pid_file.write_text(str(process.pid))
        Watchdog.kill_container(pid_file)
        assert process.wait() == -signal.SIGKILL
