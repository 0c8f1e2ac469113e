"""``exec``: further processes in containers that run."""

from __future__ import annotations

from pathlib import Path

import pexpect

from tests.e2e.background import LOOP, listed, nothing_is_left_behind, start
from tests.e2e.people import Somebody
from tests.e2e.traces import eventually, processes_with
from tests.support.tools import require_tool

__all__ = ["nothing_is_left_behind"]


def test_exec_takes_what_run_takes(anybody: Somebody) -> None:
    start(anybody, "--name", "box", "-e", "A=1", "-w", "/tmp")
    said = anybody.imgfetch("exec", "box", "sh", "-c", "echo $A $B; pwd; cat")
    assert said.lines == ["1", "/tmp"]
    said = anybody.imgfetch(
        "exec", "-i", "-e", "B=2", "-e", "A", "-w", "/etc", "box", "sh", "-c",
        "echo $A $B; pwd; cat", input="in\n",
    )  # fmt: skip
    assert said.lines == ["2", "/etc", "in"]
    anybody.imgfetch("exec", "box", "no-such-command").exited(127)
    anybody.imgfetch("exec", "box", "/etc/passwd").exited(126)
    anybody.imgfetch("exec", "-w", "relative", "box", "true").exited(125)
    anybody.imgfetch("exec", "-u", "nobody-here", "box", "true").exited(125)
    anybody.imgfetch("exec", "no-such-container", "true").exited(125)
    anybody.imgfetch("exec", "box", "sh", "-c", "kill -9 $$").exited(137)
    assert anybody.imgfetch("exec", "-t", "box", "tty").succeeded().lines[0].startswith("/dev/")
    anybody.imgfetch("exec", "-it", "box", "tty", input="").exited(125)
    run = anybody.imgfetch.store / "runs"
    assert list(run.glob("*/exec-*")) == []


def test_exec_on_a_terminal(plain_somebody: Somebody) -> None:
    start(plain_somebody, "--name", "box")
    command = plain_somebody.imgfetch
    program, *arguments = command.argv("exec", "-it", "box", "sh", "-c", "tty; read x; exit $x")
    terminal: pexpect.spawn[str] = pexpect.spawn(
        program, arguments, env=command.environment(), cwd=str(command.home), encoding="utf-8",
        timeout=30,
    )  # fmt: skip
    terminal.expect("/dev/pts/")
    terminal.sendline("6")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 6


def test_exec_as_another_user(with_many_ids: Somebody) -> None:
    start(with_many_ids, "--name", "users")
    said = with_many_ids.imgfetch(
        "exec", "-u", "12:34", "users", "sh", "-c", "id -u; id -g; touch /x"
    )
    assert said.lines == ["12", "34"]
    assert said.returncode == 1


def test_a_signal_to_exec_reaches_its_command(plain_somebody: Somebody) -> None:
    start(plain_somebody, "--name", "box")
    process = plain_somebody.imgfetch.start(
        "exec", "box", "sh", "-c", f"trap 'exit 4' TERM; echo ready; {LOOP}"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 4


def test_kill_9_of_exec_takes_its_command_with_it(anybody: Somebody, tmp_path: Path) -> None:
    """R145: with all that it has started, of another user too; the container goes on."""
    word = f"exec-{tmp_path.name}"
    container = start(anybody, "--name", "box")
    user = () if anybody.imgfetch.user and not anybody.imgfetch.user.has_subids else ("-u", "12")
    process = anybody.imgfetch.start(
        "exec", *user, "box", "sh", "-c", f"trap '' TERM; ({LOOP} # {word}\n) & echo {word}; {LOOP}"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == f"{word}\n".encode()
    assert processes_with(word)
    process.kill()
    process.communicate(timeout=30)  # nobody has its output open any more
    assert eventually(lambda: not processes_with(word))
    assert listed(anybody)[container]["state"] == "running"
    anybody.imgfetch("exec", "box", "true").succeeded()


def test_exec_ends_with_the_container(subid_somebody: Somebody) -> None:
    start(subid_somebody, "--name", "box")
    process = subid_somebody.imgfetch.start("exec", "box", "sh", "-c", f"echo ready; {LOOP}")
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    subid_somebody.imgfetch("kill", "box").succeeded()
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 137
    assert b"bug" not in errors


def test_a_container_that_ends_meanwhile_is_told(subid_somebody: Somebody) -> None:
    """The runtime is killed together with it, before the command is there."""
    runtime = subid_somebody.workspace() / "runc"
    # What exec starts ends the container first: the file has its number in there.
    kill = 'kill -9 $(cat "${2%/state}/pid"); sleep 60'
    real = require_tool("runc")
    runtime.write_text(f'#!/bin/sh\ncase "$*" in *" exec "*) {kill};; esac\n{real} "$@"\n')
    runtime.chmod(0o755)
    start(subid_somebody, "--name", "box", "--runtime", runtime)
    said = subid_somebody.imgfetch("exec", "box", "true").exited(125)
    assert "has ended" in said.errors
