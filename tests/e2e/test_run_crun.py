"""crun in place of runc, also where control groups are hybrid, which it refuses."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.people import Somebody
from tests.e2e.traces import cgroups_with, eventually, processes_with
from tests.support.cli import Result
from tests.support.tools import require_tool


def with_crun(
    somebody: Somebody,
    *options: str | Path,
    command: Sequence[str],
    input: bytes = b"",  # noqa: A002 - subprocess.run's name
) -> Result:
    return somebody.run("--runtime", require_tool("crun"), *options, command=command, input=input)


def test_a_container_is_what_it_is_with_runc(anybody: Somebody, tmp_path: Path) -> None:
    """P03: and nothing is left of it."""
    script = (
        "cat; id -u; env | sort; grep -E 'Cap|NoNew|Seccomp:' /proc/self/status; hostname; exit 7"
    )
    options = ["-i", "-e", "A=b", "--hostname", "box", "--ulimit", "nofile=100:100"]
    command = ["sh", "-c", f"{script.replace('exit 7', 'ulimit -n')}; umask; pwd; exit 7"]
    said = with_crun(anybody, *options, command=command, input=b"in\n").exited(7)
    expected = anybody.run(*options, command=command, input=b"in\n").exited(7)
    assert said.lines == expected.lines
    assert said.errors == expected.errors == ""
    assert list((anybody.imgfetch.store / "runs").glob("[0-9a-f]*")) == []


def test_statuses_are_told_apart(myself: Somebody, tmp_path: Path) -> None:
    """P03, R140."""
    for command, status in (
        (["no-such-command"], 127),
        (["/etc/passwd"], 126),
        (["/etc"], 126),
        (["sh", "-c", "sh -c 'kill -9 $$'; exit $?"], 137),
    ):
        with_crun(myself, command=command).exited(status)
    with_crun(myself, "-u", "no-such-user", command=["true"]).exited(125)


def test_files_keep_their_owner(myself: Somebody, tmp_path: Path) -> None:
    """P20: of output, and of input too."""
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(b"x" * 300_000)
    with source.open("rb") as reading, target.open("wb") as writing:
        argv = myself.imgfetch.argv(
            "run", "--runtime", "crun", "--network", "none", "-i", "-u", "405",
            myself.published.busybox, "cat",
        )  # fmt: skip
        done = subprocess.run(
            argv, env=myself.imgfetch.environment(),
            stdin=reading, stdout=writing, check=False, timeout=60,
        )  # fmt: skip
    assert done.returncode == 0
    assert target.read_bytes() == source.read_bytes()
    assert {path.stat().st_uid for path in (source, target)} == {os.geteuid()}


def test_a_terminal_needs_none_on_standard_input(plain_somebody: Somebody, tmp_path: Path) -> None:
    # Its last words may be lost: it does not wait for what is left in the terminal.
    said = with_crun(plain_somebody, "-t", command=["sh", "-c", "tty; sleep 1"])
    assert said.succeeded().lines == ["/dev/pts/0"]


@pytest.mark.parametrize("who", ["myself", "plain_somebody"])
def test_it_ends_with_a_killed_caller(
    who: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """P01."""
    somebody: Somebody = request.getfixturevalue(who)
    word = f"crun-{tmp_path.name}"
    process = somebody.imgfetch.start(
        "run", "--runtime", "crun", "--network", "none", somebody.published.busybox,
        "sh", "-c", f"trap '' TERM; echo {word}; while :; do sleep 0.1; done",
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == f"{word}\n".encode()
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert eventually(lambda: not processes_with(word))


def test_hybrid_cgroups_are_version_1_to_it(myself: Somebody) -> None:
    """R160, P18: limits are kept, and the container's cgroups go with it."""
    script = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max; hostname"
    said = with_crun(myself, "--memory", "64m", command=["sh", "-c", script]).succeeded()
    limit, name = said.lines
    assert limit == f"{64 << 20}"
    assert cgroups_with(name) == []


def test_a_detached_container_can_be_worked_with(myself: Somebody) -> None:
    """R160: also when others than its own monitor call crun."""
    container = with_crun(myself, "-d", command=["sleep", "1000"]).succeeded().lines[0]
    try:
        said = myself.imgfetch("exec", container, "sh", "-c", "echo here; exit 4")
        assert said.exited(4).lines == ["here"]
        myself.imgfetch("stop", "--time", "1", container).succeeded()
    finally:
        myself.imgfetch("rm", "--force", container).succeeded()
    assert cgroups_with(container) == []


def test_a_runtime_with_known_holes_is_refused_where_that_is_asked_for(
    myself: Somebody, tmp_path: Path
) -> None:
    """S142."""
    old = tmp_path / "runc"
    old.write_text(f'#!/bin/sh\n[ "$1" = --version ] || exec {require_tool("runc")} "$@"\n')
    old.write_text(old.read_text() + "echo runc version 1.1.5\n")
    old.chmod(0o755)
    myself.run("--runtime", old, command=["true"]).succeeded()
    refused = myself.run("--runtime", old, "--strict", command=["true"]).exited(125)
    assert "runc 1.2.8, 1.3.3, 1.4.0 or newer" in refused.errors
