"""A run leaves nothing behind, however it ends."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess

import pytest

from tests.e2e.people import Somebody
from tests.e2e.traces import cgroups_with, eventually, mounts_with, processes_with
from tests.support.trees import Tree, paths, snapshot_tree

_numbers = itertools.count(1)

_RUNS = int(os.environ.get("SOAK_RUNS", "6"))
"""How many runs in a row there are: `scripts/soak` wants more."""


def _marker() -> str:
    """A number of seconds that no other process sleeps for."""
    return f"{os.getpid()}{next(_numbers):04}.5"


def _state(somebody: Somebody) -> Tree:
    """The store, without the times of directories in which something came and went."""
    return snapshot_tree(somebody.imgfetch.store, ignore={"mtime_ns"})


def _start(somebody: Somebody, script: str) -> tuple[subprocess.Popen[bytes], str]:
    """Starts a container that says its id, then runs a script."""
    process = somebody.imgfetch.start(
        "run", "--network", "none", somebody.published.busybox, "sh", "-c", f"hostname; {script}"
    )
    assert process.stdout is not None
    container = process.stdout.readline().decode().strip()
    assert container, process.communicate()
    return process, container


def _nothing_is_left(somebody: Somebody, container: str, marker: str) -> None:
    assert processes_with(marker) == []
    assert processes_with(container) == []
    assert mounts_with(container) == []
    assert mounts_with(str(somebody.imgfetch.store)) == []
    assert cgroups_with(container) == []
    assert [path for path in paths(somebody.imgfetch.store) if container in path] == []


@pytest.mark.parametrize(
    "ending", ["true", "exit 3", "kill -9 -1", "touch /x; mkdir -m 0 /y; chmod 0 /etc"]
)
def test_a_container_that_ends_leaves_nothing(anybody: Somebody, ending: str) -> None:
    """R147, R127: not even directories that nobody may enter."""
    anybody.run(command=["true"]).succeeded()
    before = _state(anybody)
    process, container = _start(anybody, ending)
    process.communicate(timeout=60)
    _nothing_is_left(anybody, container, container)
    assert _state(anybody) == before


def test_a_container_that_cannot_start_leaves_nothing(anybody: Somebody) -> None:
    anybody.run(command=["true"]).succeeded()
    before = _state(anybody)
    anybody.run(command=["no-such-command"]).exited(127)
    anybody.run("-u", "no-such-user", command=["true"]).exited(125)
    assert _state(anybody) == before
    assert mounts_with(str(anybody.imgfetch.store)) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_imgfetch_ends_the_container(anybody: Somebody, number: signal.Signals) -> None:
    """R092, R148."""
    anybody.run(command=["true"]).succeeded()
    before = _state(anybody)
    marker = _marker()
    process, container = _start(
        anybody, f"trap 'kill $!; exit 9' INT TERM HUP; echo ready; sleep {marker} & wait"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 9
    _nothing_is_left(anybody, container, marker)
    assert _state(anybody) == before


def test_kill_9_of_imgfetch_takes_the_container_with_it(anybody: Somebody) -> None:
    """P01, R091, R145: even one that ignores what it can; the next run clears up behind it."""
    anybody.run(command=["true"]).succeeded()
    before = _state(anybody)
    marker = _marker()
    process, container = _start(anybody, f"trap '' TERM; echo ready; sleep {marker}")
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    assert processes_with(marker)
    process.kill()
    # The caller's pipe is closed only when everybody who held it is gone.
    process.communicate(timeout=30)
    assert eventually(lambda: not processes_with(marker))
    assert eventually(lambda: not mounts_with(container))
    anybody.run(command=["true"]).succeeded()
    _nothing_is_left(anybody, container, marker)
    assert _state(anybody) == before


def test_a_caller_with_a_timeout_gets_away(myself: Somebody) -> None:
    """P02, R145: `subprocess.run(timeout=…)` sends SIGKILL, then waits for the pipe's end."""
    marker = _marker()
    argv = myself.imgfetch.argv(
        "run", "--network", "none", myself.published.busybox, "sleep", marker
    )
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(
            argv, capture_output=True, check=False, timeout=3, env=myself.imgfetch.environment()
        )
    assert eventually(lambda: not processes_with(marker))
    myself.run(command=["true"]).succeeded()


def test_two_containers_of_one_image_do_not_meet(anybody: Somebody) -> None:
    """S128, S142, R102."""
    marker = _marker()
    process, _ = _start(anybody, f"touch /mine; echo ready; sleep {marker}")
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    try:
        assert anybody.run(command=["ls", "/mine"]).exited(1).stdout == b""
        lines = anybody.run(command=["ps", "-ef"]).succeeded().lines
        assert len(lines) == 2
    finally:
        process.kill()
        process.communicate(timeout=30)


@pytest.mark.timeout(60 + 5 * _RUNS)
def test_many_runs_leave_what_one_leaves(anybody: Somebody) -> None:
    """R147: no process, no mount, no cgroup and no byte; every sixth run is killed with -9."""
    anybody.run(command=["true"]).succeeded()
    before, marker = _state(anybody), _marker()
    containers = [_run_somehow(anybody, number, marker) for number in range(_RUNS)]
    assert eventually(lambda: not processes_with(marker))
    anybody.run(command=["true"]).succeeded()
    after = _state(anybody)
    left = {
        "processes": len(processes_with(str(anybody.imgfetch.store)) + processes_with(marker)),
        "mounts": len(mounts_with(str(anybody.imgfetch.store))),
        "cgroups": sum(len(cgroups_with(container)) for container in containers),
        "files": len(after.keys() ^ before.keys()),
        "bytes": sum(entry.size or 0 for entry in after.values())
        - sum(entry.size or 0 for entry in before.values()),
    }
    print(f"{len(set(containers))} containers, left: {left}")  # noqa: T201 - for scripts/soak
    assert len(set(containers)) == _RUNS
    assert set(left.values()) == {0}
    assert after == before


def _run_somehow(somebody: Somebody, number: int, marker: str) -> str:
    """A run that ends in one of several ways; returns the container's id, or its beginning."""
    endings = ("true", "exit 3", "mkdir -m 0 /x", "kill -9 -1", f"sleep {marker} &")
    if number % 6 < len(endings):
        process, container = _start(somebody, endings[number % 6])
    else:
        process, container = _start(somebody, f"trap '' TERM; sleep {marker}")
        process.kill()
    process.communicate(timeout=60)
    return container
