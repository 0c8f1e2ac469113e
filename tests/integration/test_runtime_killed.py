"""Runs that are killed, on a machine and in a pod: nothing is left."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from imgfetch.errors import NamespaceError
from imgfetch.runtime.rundir import collect_dead
from imgfetch.runtime.supervision import TimeLimits
from tests.support.forked import become, forked
from tests.support.runner import Runner, containers, mask_proc, status_of
from tests.support.users import User


@pytest.fixture
def root(tmp_path: Path) -> Runner:
    return Runner(tmp_path, None)


@pytest.mark.parametrize("kind", ["root", "subid_user", "plain_user"])
def test_a_killed_run_leaves_no_process_and_the_next_clears_up(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """R145: within a second, though the container ignores every signal it can."""
    user = None if kind == "root" else request.getfixturevalue(kind)
    runner = Runner(user.directory("store") if user else tmp_path, user)
    marker = f"60{os.getpid()}.5"
    pid = runner.start("sh", "-c", f'trap "" TERM HUP INT; sleep {marker} & echo ready; wait')
    runner.wait_for_output("ready")
    assert containers(f"sleep {marker}")

    os.kill(pid, signal.SIGKILL)
    assert status_of(pid) == -signal.SIGKILL

    deadline = time.monotonic() + 1
    while containers(f"sleep {marker}"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert str(runner.store) not in Path("/proc/self/mountinfo").read_text()
    assert len(list(runner.runs.iterdir())) == 1
    assert runner("true").outcome.status == 0
    assert list(runner.runs.iterdir()) == []
    assert runner.cgroups() == []


def test_a_running_container_is_not_collected(root: Runner) -> None:
    pid = root.start("sh", "-c", "echo ready; sleep 600")
    root.wait_for_output("ready")
    assert collect_dead(f"{root.runs}") == []
    os.kill(pid, signal.SIGKILL)
    status_of(pid)
    while not collect_dead(f"{root.runs}"):
        time.sleep(0.01)  # until its processes are gone
    assert root.cgroups() == []


def test_a_runtime_that_was_killed_counts_as_the_container(root: Runner) -> None:
    pid = root.start("sh", "-c", "echo ready; sleep 600")
    root.wait_for_output("ready")
    while not list(root.runs.glob("*/pid")):
        time.sleep(0.01)
    [runtime] = [line.split()[0] for line in containers(f"--bundle {root.runs}")]
    os.kill(int(runtime), signal.SIGKILL)
    assert status_of(pid) == 137
    assert root.cgroups() == []
    assert list(root.runs.iterdir()) == []


def test_a_pod_runs_containers_too(any_user: User) -> None:
    """R164: where /proc is masked, and a new one refused."""
    runner = Runner(any_user.directory("store"), any_user)
    pid = runner.start("sh", "-c", "echo $$; head -n1 /proc/self/status; exit 4", pod=True)
    assert status_of(pid) == 4
    assert runner.output() == "1\nName:\thead\n"
    assert list(runner.runs.iterdir()) == []


def test_a_pod_is_needed_to_be_refused_a_new_proc(any_user: User) -> None:
    """R164: with the reason, where nobody looked before."""
    runner = Runner(any_user.directory("store"), any_user)

    def work() -> tuple[str, str]:
        mask_proc()
        become(any_user)
        with pytest.raises(NamespaceError) as caught:
            runner.run_here(["true"])
        return caught.value.message, caught.value.hint or ""

    message, hint = forked(work)
    assert message == "a new /proc is refused: Operation not permitted"
    assert "procMount" in hint


def test_a_killed_run_in_a_pod_leaves_no_process(any_user: User) -> None:
    """R145: without a pid namespace around the runtime, a watchdog sees to it."""
    runner = Runner(any_user.directory("store"), any_user)
    marker = f"60{os.getpid()}.7"
    script = f'trap "" TERM HUP INT; sleep {marker} & echo ready; wait'
    pid = runner.start("sh", "-c", script, pod=True)
    runner.wait_for_output("ready")
    os.kill(pid, signal.SIGKILL)
    status_of(pid)
    deadline = time.monotonic() + 1
    while containers(f"sleep {marker}") or containers(str(runner.runs)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("how", ["time", "runtime killed"])
def test_a_run_in_a_pod_ends_with_its_runtime(any_user: User, how: str) -> None:
    runner = Runner(any_user.directory("store"), any_user)
    marker = f"60{os.getpid()}.8"
    limits = TimeLimits(run=0.3, stop=0.1) if how == "time" else TimeLimits()
    pid = runner.start("sleep", marker, pod=True, limits=limits)
    if how == "runtime killed":
        while not list(runner.runs.glob("*/pid")):
            time.sleep(0.01)
        [runtime] = [line.split()[0] for line in containers(f"--bundle {runner.runs}")]
        os.kill(int(runtime), signal.SIGKILL)
    assert status_of(pid) == 137
    assert containers(f"sleep {marker}") == []
    assert list(runner.runs.iterdir()) == []
