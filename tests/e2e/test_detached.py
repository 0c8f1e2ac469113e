"""Containers in the background: as everybody."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.background import LOOP, listed, monitor_of, nothing_is_left_behind, start
from tests.e2e.people import Somebody
from tests.e2e.published import Published
from tests.e2e.traces import cgroups_with, eventually, mounts_with, processes_with
from tests.support.cli import Imgfetch

__all__ = ["nothing_is_left_behind"]


def test_the_life_of_a_container(anybody: Somebody) -> None:
    trap = "echo out; echo err >&2; trap 'echo bye; exit 9' TERM; " + LOOP
    container = start(anybody, "--name", "life", "-l", "a=b", script=trap)
    entry = listed(anybody)[container]
    assert (entry["name"], entry["state"], entry["exitCode"]) == ("life", "running", None)
    assert (entry["labels"], entry["command"]) == ({"a": "b"}, ["sh", "-c", trap])
    assert entry["pid"] in {int(line.partition(":")[0]) for line in processes_with("echo bye")}
    assert "running" in anybody.imgfetch("ps").lines[1]

    said = anybody.imgfetch("exec", "life", "sh", "-c", "id -u; ps; exit 5").exited(5)
    assert said.lines[0] == "0"
    assert "echo bye" in said.lines[2]
    assert anybody.imgfetch("stop", container[:10]).succeeded().lines == [container[:10]]
    assert anybody.imgfetch("ps", "-q").lines == []
    assert anybody.imgfetch("wait", "life").succeeded().lines == ["9"]
    assert listed(anybody)[container]["state"] == "exited"
    logs = anybody.imgfetch("logs", "life").succeeded()
    assert (logs.stdout, logs.stderr) == (b"out\nbye\n", b"err\n")

    anybody.run(command=["true"]).succeeded()  # clears up behind the dead, and only those
    assert container in listed(anybody)
    anybody.imgfetch("rm", "life").succeeded()
    assert listed(anybody) == {}
    assert not (anybody.imgfetch.store / "runs" / container).exists()
    assert mounts_with(container) == processes_with(container) == cgroups_with(container) == []


@pytest.mark.parametrize(
    ("options", "command", "status"),
    [
        ([], ["no-such-command"], 127),
        ([], ["/etc/passwd"], 126),
        (["-u", "no-such-user"], ["true"], 125),
        (["-v", "/no/such:/x"], ["true"], 125),
        (["--keep"], ["true"], 125),
        (["--result", "/tmp/x"], ["true"], 125),
    ],
)
def test_what_fails_before_the_start_is_told_as_in_the_foreground(
    myself: Somebody, options: list[str], command: list[str], status: int
) -> None:
    """R140."""
    said = myself.run("-d", *options, command=command).exited(status)
    assert said.stdout == b""
    assert said.errors.startswith("imgfetch: ")
    assert "bug" not in said.errors
    assert list((myself.imgfetch.store / "runs").glob("[0-9a-f]*")) == []


def test_the_runtimes_own_failure_is_told(subid_somebody: Somebody) -> None:
    patch = subid_somebody.workspace() / "patch"
    patch.write_text(json.dumps({"process": {"cwd": "/etc/passwd"}}))
    said = subid_somebody.run("-d", "--spec-patch", patch, command=["true"])
    assert said.returncode in {125, 126, 127}
    assert "/etc/passwd" in said.errors
    assert list((subid_somebody.imgfetch.store / "runs").glob("[0-9a-f]*")) == []


def test_kill_9_of_the_monitor_takes_the_container_with_it(anybody: Somebody) -> None:
    """R145, R146: it is dead then, its name is still taken, and its output is there."""
    container = start(anybody, "--name", "doomed", script=f"trap '' TERM; echo last words; {LOOP}")
    assert eventually(lambda: anybody.imgfetch("logs", "doomed").stdout == b"last words\n")
    os.kill(monitor_of(anybody, container), signal.SIGKILL)
    assert eventually(lambda: not processes_with("last words"))
    assert anybody.imgfetch("wait", "doomed").succeeded().lines == ["137"]
    entry = listed(anybody)[container]
    assert (entry["state"], entry["exitCode"], entry["pid"]) == ("dead", None, None)
    anybody.imgfetch("exec", "doomed", "true").exited(125)
    anybody.imgfetch("kill", "doomed").exited(11)
    anybody.run("--name", "doomed", command=["true"]).exited(125)
    anybody.run(command=["true"]).succeeded()
    assert cgroups_with(container) == []
    assert anybody.imgfetch("logs", "doomed").stdout == b"last words\n"
    anybody.imgfetch("rm", "doomed").succeeded()
    anybody.run("--name", "doomed", command=["true"]).succeeded()


def test_a_reboot_is_noticed(myself: Somebody) -> None:
    """R146: another process may have the monitor's number by now."""
    container = start(myself)
    os.kill(monitor_of(myself, container), signal.SIGKILL)
    assert eventually(lambda: listed(myself)[container]["state"] == "dead")
    file = myself.imgfetch.store / "runs" / container / "detached.json"
    facts = json.loads(file.read_text())
    facts["monitor"] |= {"pid": os.getpid(), "boot_id": "before"}
    file.write_text(json.dumps(facts))
    assert listed(myself)[container]["state"] == "dead"
    myself.imgfetch("rm", "-f", container).succeeded()


def test_nothing_is_left_with_rm(subid_somebody: Somebody) -> None:
    """The status of one that is gone is told to those who waited."""
    container = start(
        subid_somebody, "--rm", "--name", "brief", script=f"trap 'exit 7' USR1; {LOOP}"
    )
    waiting = subid_somebody.imgfetch.start("wait", "brief")
    following = subid_somebody.imgfetch.start("logs", "-f", "brief")
    assert eventually(
        lambda: all(
            f"/proc/{one.pid}/fd" and _has_open(one.pid, container) for one in (waiting, following)
        )
    )
    subid_somebody.imgfetch("kill", "-s", "USR1", "brief").succeeded()
    output, _ = waiting.communicate(timeout=30)
    following.communicate(timeout=30)
    assert (output, waiting.returncode, following.returncode) == (b"7\n", 0, 0)
    assert listed(subid_somebody) == {}
    assert eventually(lambda: not (subid_somebody.imgfetch.store / "runs" / container).exists())


def _has_open(pid: int, word: str) -> bool:
    found = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(os.readlink(path))
        except OSError:
            continue
    return any(word in one for one in found)


def test_one_killed_with_rm_is_cleared_away_by_the_next_run(plain_somebody: Somebody) -> None:
    container = start(plain_somebody, "--rm")
    os.kill(monitor_of(plain_somebody, container), signal.SIGKILL)
    directory = plain_somebody.imgfetch.store / "runs" / container

    def is_gone() -> bool:
        plain_somebody.run(command=["true"]).succeeded()
        return not directory.exists()

    assert eventually(is_gone)


def test_one_that_ends_at_once_is_there_all_the_same(myself: Somebody) -> None:
    container = start(myself, script="echo x; exit 3")
    assert myself.imgfetch("wait", container).lines == ["3"]
    assert myself.imgfetch("logs", container).stdout == b"x\n"
    assert start(myself, "--rm", script="exit 3")


def test_stop_asks_first_and_kills_then(plain_somebody: Somebody) -> None:
    """R144."""
    container = start(plain_somebody, "--stop-timeout", "0.3", script=f"trap '' TERM; {LOOP}")
    other = start(plain_somebody, "--stop-signal", "USR1", script=f"trap 'exit 8' USR1; {LOOP}")
    plain_somebody.imgfetch("exec", container, "true").succeeded()
    plain_somebody.imgfetch("exec", other, "true").succeeded()
    plain_somebody.imgfetch("stop", container, other).succeeded()
    assert plain_somebody.imgfetch("wait", container, other).lines == ["137", "8"]
    plain_somebody.imgfetch("stop", container).succeeded()


def test_rm_leaves_running_ones_alone_unless_forced(subid_somebody: Somebody) -> None:
    container = start(subid_somebody, script=f"mkdir -m 0 /d; touch /d/x; {LOOP}")
    assert "is running" in subid_somebody.imgfetch("rm", container).exited(11).errors
    forced = subid_somebody.imgfetch("rm", "-f", "no-such", container, container[:12]).succeeded()
    assert (forced.lines, forced.errors) == ([container, container[:12]], "")
    assert "no detached container" in subid_somebody.imgfetch("rm", container).exited(11).errors
    assert list((subid_somebody.imgfetch.store / "runs").glob("[0-9a-f]*")) == []


def test_logs_in_part_with_times_and_while_they_are_written(myself: Somebody) -> None:
    start(myself, "--name", "log", script="for i in 1 2 3; do echo $i; done; printf part")
    myself.imgfetch("wait", "log").succeeded()
    logs = myself.imgfetch
    assert logs("logs", "log").stdout == b"1\n2\n3\npart"
    assert logs("logs", "--tail", "2", "log").stdout == b"3\npart"
    assert logs("logs", "-f", "-n", "0", "log").stdout == b""
    assert logs("logs", "--since", "1h", "log").stdout == b"1\n2\n3\npart"
    assert logs("logs", "--since", "2100-01-01T00:00:00Z", "log").stdout == b""
    first = logs("logs", "-t", "log").lines[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z 1", first)
    logs("logs", "--since", "yesterday", "log").exited(2)


def test_following_shows_lines_as_they_come(subid_somebody: Somebody) -> None:
    script = f"trap 'echo two; exit' USR1; echo one; {LOOP}"
    start(subid_somebody, "--name", "log", script=script)
    process = subid_somebody.imgfetch.start("logs", "-f", "log")
    assert process.stdout is not None
    assert process.stdout.readline() == b"one\n"
    # Not by exec: what is in the container is killed when that ends.
    subid_somebody.imgfetch("kill", "-s", "USR1", "log").succeeded()
    output, _ = process.communicate(timeout=30)
    assert (output, process.returncode) == (b"two\n", 0)


def test_the_caller_is_let_go(plain_somebody: Somebody) -> None:
    """R100: whoever reads until the end of the pipe would wait for the container."""
    script = '"$@" 5>&1; echo done'
    process = plain_somebody.imgfetch.start(
        "run", "-d", "-i", "--network", "none", plain_somebody.published.busybox,
        "sh", "-c", LOOP,
        wrapper=["sh", "-c", script, "sh"],
    )  # fmt: skip
    output, errors = process.communicate(timeout=30)
    container, done = output.decode().splitlines()
    assert (len(container), done, errors) == (64, "done", b"")
    assert listed(plain_somebody)[container]["state"] == "running"
    monitor = monitor_of(plain_somebody, container)
    assert os.getsid(monitor) != os.getsid(0)
    assert os.getpgid(monitor) != monitor  # not the session's leader: it gets no terminal


@pytest.mark.parametrize("options", [["-i"], ["-it"]])
def test_a_shell_stays_without_anybody_at_it(subid_somebody: Somebody, options: list[str]) -> None:
    said = subid_somebody.run("-d", "--name", "shell", *options, command=["sh"]).succeeded()
    assert subid_somebody.imgfetch("exec", "shell", "cat", "/proc/1/comm").succeeded().lines == [
        "sh"
    ]
    assert listed(subid_somebody)[said.lines[0]]["state"] == "running"


def test_files_about_a_container(plain_somebody: Somebody) -> None:
    place = plain_somebody.workspace()
    container = start(plain_somebody, "--cidfile", place / "cid", "--pidfile", place / "pid")
    assert (place / "cid").read_text() == f"{container}\n"
    assert eventually((place / "pid").exists)
    assert int((place / "pid").read_text()) == listed(plain_somebody)[container]["pid"]
    plain_somebody.run("-d", "--cidfile", place / "cid", command=["true"]).exited(125)


def test_ids_of_ones_own_choice(subid_somebody: Somebody) -> None:
    """Root in there is not the store's owner then."""
    subid_somebody.run("--userns", "keep-id", command=["true"]).succeeded()
    container = start(
        subid_somebody, "--userns", "keep-id", "--name", "kept", script=f"id -u; {LOOP}"
    )
    assert subid_somebody.imgfetch.user
    own = subid_somebody.imgfetch.user.uid
    assert eventually(lambda: subid_somebody.imgfetch("logs", "kept").lines == [str(own)])
    assert listed(subid_somebody)[container]["state"] == "running"
    assert subid_somebody.imgfetch("exec", "kept", "id", "-u").succeeded().lines == [str(own)]
    subid_somebody.imgfetch("stop", "-t", "0", "kept").succeeded()
    assert subid_somebody.imgfetch("wait", "kept").lines == ["137"]
    subid_somebody.imgfetch("rm", "kept").succeeded()
    assert list((subid_somebody.imgfetch.store / "runs").glob("[0-9a-f]*")) == []


def test_an_image_in_use_is_not_removed(imgfetch: Imgfetch, published: Published) -> None:
    image = published.bare
    newcomer = Somebody(imgfetch, published)
    said = newcomer.run("-d", image=image, command=["sleep", "60"]).succeeded()
    assert "is used by" in newcomer.imgfetch("rmi", image).exited(11).errors
    newcomer.imgfetch("stop", "-t", "0", said.lines[0]).succeeded()
    assert "is used by" in newcomer.imgfetch("rmi", image).exited(11).errors
    newcomer.imgfetch("rm", said.lines[0]).succeeded()
    newcomer.imgfetch("rmi", image).succeeded()


def test_a_time_limit_holds(plain_somebody: Somebody) -> None:
    container = start(plain_somebody, "--timeout", "0.5", "--stop-timeout", "0.2")
    assert plain_somebody.imgfetch("wait", container).lines == ["137"]


def test_a_caller_that_is_interrupted_takes_the_run_with_it(myself: Somebody) -> None:
    fifo = myself.workspace() / "fifo"
    os.mkfifo(fifo)
    process = myself.imgfetch.start(
        "run", "-d", "--network", "none", "--secret", f"id=x,src={fifo}",
        myself.published.busybox, "sleep", "60",
    )  # fmt: skip
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode in {143, -signal.SIGTERM}
    assert listed(myself) == {}
