"""Bundles run by the real runc, as root and as ordinary users."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imgfetch.errors import CommandError, InvalidOptionError, RuntimeFailedError
from imgfetch.fs.removal import remove_tree
from imgfetch.runtime.program import RuntimeProgram
from imgfetch.runtime.runc import Stdio
from imgfetch.runtime.supervision import Outcome, TimeLimits
from imgfetch.snapshot.userns import enter
from tests.support.bundles import write_bundle
from tests.support.forked import forked
from tests.support.runner import Runner, containers, runc, status_of
from tests.support.users import PATH


@pytest.fixture
def root(tmp_path: Path) -> Runner:
    return Runner(tmp_path, None)


@pytest.fixture(params=["root", "subid_user", "plain_user"])
def runner(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runner]:
    user = None if request.param == "root" else request.getfixturevalue(request.param)
    runner = Runner(user.directory("store") if user else tmp_path, user)
    yield runner
    assert list(runner.runs.glob("*")) == []


@pytest.mark.parametrize("status", [0, 1, 42, 125, 126, 127, 255])
def test_the_status_is_the_containers(runner: Runner, status: int) -> None:
    """R140, R156."""
    assert runner("sh", "-c", f"exit {status}").outcome == Outcome(status)


def test_a_container_killed_by_a_signal_gives_128_and_the_signal(runner: Runner) -> None:
    """R143."""
    result = runner("sh", "-c", "sh -c 'kill -9 $$'; exit $?")
    assert result.outcome.status == 137


@pytest.mark.parametrize(
    ("command", "status"),
    [("nosuch", 127), ("/no/such", 127), ("/etc/passwd", 126), ("/etc", 126)],
)
def test_commands_that_cannot_start_are_told_apart(
    runner: Runner, command: str, status: int
) -> None:
    """R140."""

    def work() -> tuple[int, str]:
        with pytest.raises(CommandError) as caught:
            runner.run_here([command])
        return caught.value.status, caught.value.message

    found, message = forked(work, runner.user)
    assert found == status
    assert message.startswith("runc: ")
    assert command in message


def test_a_runtime_that_refuses_says_why(runner: Runner) -> None:
    def work() -> tuple[str, str]:
        with pytest.raises(RuntimeFailedError) as caught:
            runner.run_here(["true"], changes={"cwd": "relative"})
        return type(caught.value).__name__, caught.value.message

    kind, message = forked(work, runner.user)
    assert kind == "RuntimeFailedError"
    assert "Cwd" in message


def test_output_and_errors_stay_apart(runner: Runner) -> None:
    result = runner("sh", "-c", "echo out; echo err >&2")
    assert (result.stdout, result.stderr) == (b"out\n", b"err\n")


def test_standard_input_is_empty_unless_asked_for(runner: Runner) -> None:
    assert runner("cat", stdin=b"not read").stdout == b""


def test_standard_input_arrives_byte_for_byte_and_ends(runner: Runner) -> None:
    """R150."""
    data = os.urandom(3_000_000)
    assert runner("cat", stdin=data, stdio=Stdio(interactive=True)).stdout == data


def test_input_that_nobody_reads_is_no_obstacle(root: Runner) -> None:
    """R150."""
    data = bytes(5_000_000)
    assert root("true", stdin=data, stdio=Stdio(interactive=True)).outcome.status == 0


def test_the_command_is_process_one(runner: Runner) -> None:
    assert runner("sh", "-c", "echo $$; exec ls -d /proc/[0-9]*").stdout == b"1\n/proc/1\n"


def test_no_descriptor_of_ours_is_left_open(root: Runner) -> None:
    """S146, R100: neither those of the caller nor our locks."""

    def work() -> list[str]:
        os.dup2(os.open("/", os.O_RDONLY), 17, inheritable=True)
        os.dup2(os.open(root.store / "out", os.O_WRONLY | os.O_CREAT), 1)
        root.run_here(["ls", "/proc/self/fd"])
        return root.output().split()

    assert forked(work) == ["0", "1", "2", "3"]  # the last is the directory itself


def test_descriptors_are_passed_on_when_asked_for(root: Runner) -> None:
    def work() -> str:
        (root.store / "in").write_text("from outside")
        os.dup2(os.open(root.store / "out", os.O_WRONLY | os.O_CREAT), 1)
        os.closerange(3, 100)
        assert os.open(root.store / "in", os.O_RDONLY) == 3
        os.set_inheritable(3, True)
        root.run_here(["cat", "/proc/self/fd/3"], stdio=Stdio(preserve_fds=1))
        return root.output()

    assert forked(work) == "from outside"


def test_descriptors_of_ours_are_never_passed_on(root: Runner) -> None:
    def work() -> list[str]:
        os.closerange(3, 100)
        messages = []
        for _ in ("not open", "ours"):
            with pytest.raises(InvalidOptionError) as caught:
                root.run_here(["true"], stdio=Stdio(preserve_fds=20))
            messages.append(caught.value.message)
            os.open(root.store, os.O_RDONLY)
        return messages

    expected = "descriptor 3 is to be preserved, but was not given to imgfetch"
    assert forked(work) == [expected] * 2


def test_the_runtime_gets_no_variable_of_the_caller(
    root: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RUNSIDE: runc would pass NOTIFY_SOCKET on."""
    monkeypatch.setenv("NOTIFY_SOCKET", "/x")
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert root("env").stdout.split() == [b"PATH=/bin", b"HOME=/"]


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2]
)
def test_signals_are_passed_on_once(root: Runner, number: signal.Signals) -> None:
    """R148."""
    name = number.name.removeprefix("SIG")
    script = f"trap 'echo got' {name}; trap 'exit 7' QUIT; echo ready; while :; do sleep 0.02; done"
    pid = root.start("sh", "-c", script)
    root.wait_for_output("ready")
    os.kill(pid, number)
    root.wait_for_output("got")
    os.kill(pid, signal.SIGQUIT)
    assert status_of(pid) == 7
    assert root.output() == "ready\ngot\n"


def test_a_run_that_takes_too_long_is_stopped(runner: Runner) -> None:
    limits = TimeLimits(run=0.5, stop=10)
    result = runner("sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.02; done", limits=limits)
    assert result.outcome == Outcome(3, timed_out=True)


def test_a_run_that_does_not_stop_is_killed(runner: Runner) -> None:
    """R144: as pid 1, sleep ignores SIGTERM."""
    marker = f"60{os.getpid()}.1"
    result = runner("sleep", marker, limits=TimeLimits(run=0.3, stop=0.2))
    assert result.outcome == Outcome(137, timed_out=True)
    assert containers(f"sleep {marker}") == []
    assert runner.cgroups() == []


def test_a_program_that_cannot_be_executed_is_named(root: Runner) -> None:
    """R154."""
    program = root.store / "not-a-runtime"
    program.write_text("no program")
    program.chmod(0o755)

    def work() -> str:
        mapping = enter(search_path=PATH, warn=print)
        broken = replace(runc(mapping), program=RuntimeProgram(str(program)))
        with pytest.raises(RuntimeFailedError) as caught:
            broken.run("x", write_bundle(root.store, ["true"]))
        return caught.value.message

    assert forked(work) == f"{program} can't be executed: Exec format error"


def test_interactive_and_tty_need_a_terminal(root: Runner) -> None:
    def work() -> str:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        with pytest.raises(InvalidOptionError) as caught:
            root.run_here(["true"], tty=True, stdio=Stdio(interactive=True, tty=True))
        return caught.value.message

    assert forked(work) == "the input device is not a terminal"


def test_removal_takes_what_the_container_made(runner: Runner) -> None:
    """R127: as any of its ids, and without permissions."""
    script = "cd /tmp; mkdir -p a/b; echo x >a/b/c; chmod 0 a/b a; exit 4"
    assert runner("sh", "-c", script).outcome.status == 4


def test_two_runs_at_once_are_independent(root: Runner) -> None:
    first, second = (root.start("sh", "-c", "sleep 0.3; exit 5") for _ in range(2))
    assert (status_of(first), status_of(second)) == (5, 5)
    remove_tree(root.runs)
