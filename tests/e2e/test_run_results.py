"""What a run tells besides its status, and how it is stopped: as everybody."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.people import Somebody

_KEYS = {
    *("image", "digest", "container_id", "argv", "exit_code", "signal", "oom_killed", "oom_kills"),
    *("timed_out", "started_at", "ended_at", "ports", "kept", "error"),
}


def result_of(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_bytes())
    assert document.keys() == _KEYS
    for key in ("started_at", "ended_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", document[key])
    assert document["started_at"] <= document["ended_at"]
    return document


def test_a_result_tells_what_ran_and_how_it_ended(anybody: Somebody) -> None:
    path = anybody.workspace() / "result"
    pinned = anybody.published.pinned(anybody.published.stencil)
    anybody.run(
        "--result", path, "--entrypoint", "sh", image=pinned, command=["-c", "exit 7"]
    ).exited(7)
    document = result_of(path)
    assert re.fullmatch("[0-9a-f]{64}", document.pop("container_id"))
    del document["started_at"], document["ended_at"]
    assert document == {
        "image": pinned, "digest": pinned.partition("@")[2], "argv": ["sh", "-c", "exit 7"],
        "exit_code": 7, "signal": None, "oom_killed": False, "oom_kills": 0, "timed_out": False,
        "ports": [], "kept": None, "error": None,
    }  # fmt: skip
    assert path.stat().st_uid == path.parent.stat().st_uid
    assert [entry.name for entry in path.parent.iterdir()] == ["result"]


@pytest.mark.parametrize(
    ("options", "command", "status", "kind"),
    [
        (["-u", "no-such-user"], ["true"], 125, "InvalidUserError"),
        (["-v", "/no/such:/x"], ["true"], 125, "InvalidMountError"),
        (["-v", "relative/x:/x"], ["true"], 125, "InvalidMountError"),
        (["-e", "=x"], ["true"], 125, "InvalidOptionError"),
        (["--pull", "never", "--platform", "linux/s390x"], ["true"], 125, None),
        ([], ["no-such-command"], 127, "CommandError"),
        ([], ["/etc/passwd"], 126, "CommandError"),
    ],
)
def test_a_failure_of_ours_is_told_apart_from_the_containers(
    anybody: Somebody, options: list[str], command: list[str], status: int, kind: str | None
) -> None:
    path = anybody.workspace() / "result"
    said = anybody.run("--result", path, *options, command=command).exited(status)
    document = result_of(path)
    assert document["exit_code"] == status
    assert document["error"]["message"].splitlines()[0] in said.errors
    assert kind is None or document["error"]["kind"] == kind


def test_the_same_status_from_the_container_is_no_error(anybody: Somebody) -> None:
    path = anybody.workspace() / "result"
    for status in (125, 126, 127):
        command = ["sh", "-c", f"exit {status}"]
        anybody.run("--result", path, command=command).exited(status)
        assert result_of(path)["error"] is None


def test_an_image_that_is_not_there_is_told_too(myself: Somebody) -> None:
    path = myself.workspace() / "result"
    myself.run("--result", path, image="localhost:1/none:1").exited(125)
    document = result_of(path)
    assert (document["image"], document["digest"]) == ("localhost:1/none:1", None)
    assert document["error"]["kind"] == "NetworkError"


def test_an_old_result_is_not_taken_for_a_new_one(myself: Somebody) -> None:
    """After kill -9 there is none: whoever reads it knows."""
    path = myself.workspace() / "result"
    path.write_text("old")
    process = myself.imgfetch.start(
        "run", "--network", "none", "--result", path, myself.published.busybox,
        "sh", "-c", "echo ready; sleep 60",
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    assert not path.exists()
    process.kill()
    process.communicate(timeout=30)
    assert not path.exists()


def test_a_result_that_cannot_be_written_is_told_before_anything_runs(anybody: Somebody) -> None:
    result = anybody.run("--result", "/no/such/directory/x", command=["echo", "ran"]).exited(125)
    assert result.stdout == b""
    assert "--result" in result.errors


def test_a_signal_before_the_container_runs_is_in_the_result(myself: Somebody) -> None:
    path = myself.workspace() / "result"
    fifo = myself.workspace() / "fifo"
    os.mkfifo(fifo)
    process = myself.imgfetch.start(
        "run", "--network", "none", "--result", path, "--secret", f"id=x,src={fifo}",
        myself.published.busybox, "true",
    )  # fmt: skip
    while not list(path.parent.iterdir()):
        time.sleep(0.01)
    time.sleep(0.2)  # it waits for somebody to write into the pipe
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode in {143, -signal.SIGTERM}
    document = result_of(path)
    assert (document["exit_code"], document["signal"]) == (143, 15)
    assert document["error"]["kind"] == "InterruptedBySignalError"


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done", 9),
        ("trap '' TERM; while :; do sleep 0.05; done", 137),
    ],
)
def test_a_container_that_takes_too_long_is_stopped(
    anybody: Somebody, script: str, status: int
) -> None:
    """R144: one that has no handler for the signal is killed."""
    path = anybody.workspace() / "result"
    options: list[str | Path] = ["--timeout", "1", "--stop-timeout", "0.5", "--result", path]
    anybody.run(*options, command=["sh", "-c", script]).exited(status)
    document = result_of(path)
    assert document["timed_out"] is True
    assert document["exit_code"] == status


def test_the_stop_signal_is_the_one_asked_for(anybody: Somebody) -> None:
    script = "trap 'exit 11' USR1; trap 'exit 12' TERM; while :; do sleep 0.05; done"
    options = ["--timeout", "1", "--stop-signal", "USR1"]
    anybody.run(*options, command=["sh", "-c", script]).exited(11)


def test_the_id_is_written_once(anybody: Somebody) -> None:
    path = anybody.workspace() / "cid"
    said = anybody.run("--cidfile", path, command=["hostname"]).succeeded()
    assert re.fullmatch("[0-9a-f]{64}\n", path.read_text())
    assert path.read_text().startswith(said.lines[0])
    again = anybody.run("--cidfile", path, command=["true"]).exited(125)
    assert "is there already" in again.errors


def test_the_pid_is_the_containers_as_this_machine_has_it(anybody: Somebody) -> None:
    path = anybody.workspace() / "pid"
    process = anybody.imgfetch.start(
        "run", "--network", "none", "--pidfile", path, anybody.published.busybox,
        "sh", "-c", "echo ready; exec sleep 61.25",
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    while not path.exists():
        time.sleep(0.01)
    pid = int(path.read_text())
    deadline = time.monotonic() + 10
    while b"61.25" not in Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.terminate()
    os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=30)
    assert process.returncode == 137


def test_what_was_written_is_kept_and_said_where(anybody: Somebody) -> None:
    path = anybody.workspace() / "result"
    options: list[str | Path] = ["--keep", "--result", path]
    said = anybody.run(*options, command=["sh", "-c", "echo new >/new; exit 3"]).exited(3)
    kept = Path(result_of(path)["kept"])
    assert str(kept) in said.errors
    assert (kept / "new").read_text() == "new\n"
    subprocess.run(["rm", "-rf", str(kept)], check=True)
    assert list((anybody.imgfetch.store / "runs").glob("[0-9a-f]*")) == []


def test_a_copy_is_kept_whole(anybody: Somebody) -> None:
    path = anybody.workspace() / "result"
    options: list[str | Path] = ["--keep", "--result", path, "--rootfs-mode", "copy"]
    anybody.run(*options, command=["touch", "/new"]).succeeded()
    kept = Path(result_of(path)["kept"])
    assert (kept / "new").exists()
    assert (kept / "etc/passwd").exists()
    subprocess.run(["rm", "-rf", str(kept)], check=True)


def test_an_init_reaps_and_passes_signals_on(anybody: Somebody) -> None:
    """R144."""
    script = "sleep 60 & exec sleep 60"
    process = anybody.imgfetch.start(
        "run", "--network", "none", "--init", anybody.published.busybox,
        "sh", "-c", f"tr '\\0' ' ' </proc/1/cmdline; echo; {script}",
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"/sbin/docker-init -- sh")
    process.terminate()
    process.communicate(timeout=8)  # without an init, sleep as process 1 would not notice
    assert process.returncode == 143


def test_an_init_does_not_change_what_a_missing_command_is(anybody: Somebody) -> None:
    anybody.run("--init", command=["no-such-command"]).exited(127)
    anybody.run("--init", command=["sh", "-c", "exit 5"]).exited(5)


def test_the_specification_can_be_patched(anybody: Somebody) -> None:
    patch = anybody.workspace() / "patch"
    patch.write_text(
        json.dumps({"hostname": "patched", "process": {"cwd": "/tmp", "env": ["X=1"]}})
    )
    script = "hostname; pwd; echo $X; echo $HOME"
    result = anybody.run("--spec-patch", patch, command=["/bin/sh", "-c", script]).succeeded()
    assert result.lines[:3] == ["patched", "/tmp", "1"]


@pytest.mark.parametrize(
    "patch",
    [
        "", "[]", '{"process": null}', '{"process": {"args": []}}', '{"mounts": [{}]}',
        '{"mounts": [{"destination": 1}]}', '{"linux": {"cgroupsPath": ""}}',
        '{"process": {"user": {"uid": "x"}}}', '{"process": {"args": [1]}}', '{"mounts": {}}',
    ],
)  # fmt: skip
def test_a_patch_that_makes_no_sense_is_125(myself: Somebody, patch: str) -> None:
    file = myself.workspace() / "patch"
    file.write_text(patch)
    result = myself.run("--spec-patch", file, command=["true"]).exited(125)
    assert "--spec-patch" in result.errors
    assert "bug" not in result.errors


def test_descriptors_are_passed_on(anybody: Somebody) -> None:
    script = 'exec 3<<-END 4<<-END; exec "$@"\nthree\nEND\nfour\nEND'
    process = anybody.imgfetch.start(
        "run", "--network", "none", "--preserve-fds", "2", anybody.published.busybox,
        "sh", "-c", "cat <&3; cat <&4; ls /proc/self/fd",
        wrapper=["sh", "-c", script, "sh"],
    )  # fmt: skip
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, b"")
    assert output.split()[:2] == [b"three", b"four"]
    assert anybody.run("--preserve-fds", "1", command=["true"]).returncode == 125


def test_the_whole_environment_can_be_passed_on(anybody: Somebody) -> None:
    result = anybody.imgfetch(
        "run", "--network", "none", "--env-host", "-e", "B=2", anybody.published.busybox, "env",
        env={"A": "1", "B": "1"},
    ).succeeded()  # fmt: skip
    assert {"A=1", "B=2"} <= set(result.lines)


def test_a_container_out_of_memory_is_told(myself: Somebody) -> None:
    """P17: The init may survive its child's end: the status alone does not tell."""
    path = myself.workspace() / "result"
    script = "head -c 100m /dev/zero | tail >/dev/null; echo survived; exit 6"
    options: list[str | Path] = ["-m", "16m", "--result", path]
    said = myself.run(*options, command=["sh", "-c", script]).exited(6)
    assert said.lines == ["survived"]
    assert "out of memory" in said.errors
    document = result_of(path)
    assert (document["oom_killed"], document["oom_kills"]) == (True, 1)
    myself.run("-m", "16m", "--result", path, command=["true"]).succeeded()
    assert result_of(path)["oom_killed"] is False


def test_nothing_is_left_of_a_cgroup_that_was_looked_at(myself: Somebody) -> None:
    path = myself.workspace() / "result"
    myself.run("-m", "16m", "--result", path, command=["true"]).succeeded()
    container = result_of(path)["container_id"]
    assert list(Path("/sys/fs/cgroup").glob(f"*/imgfetch/{container}")) == []
