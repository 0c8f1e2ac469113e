"""Runs with a pseudo-terminal, from a real one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import struct
import termios
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pexpect.fdpexpect
import pytest

from imgfetch.fs import linux
from imgfetch.fs.idmap import IdMapping
from imgfetch.runtime.identifiers import new_container_id
from imgfetch.runtime.program import find_runtime
from imgfetch.runtime.runc import Runc, Stdio
from imgfetch.snapshot.userns import enter
from tests.support.bundles import write_bundle
from tests.support.forked import forked
from tests.support.tools import require_tool
from tests.support.users import PATH


@dataclass(frozen=True, slots=True)
class Session:
    """A run on a terminal of its own, whose other end is in the test's hands."""

    pid: int
    terminal: int
    screen: pexpect.fdpexpect.fdspawn[str]

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def modes(self) -> list[object]:
        return list(termios.tcgetattr(self.terminal))

    def status(self) -> int:
        # What is not read keeps the other side from ending.
        with contextlib.suppress(OSError):
            self.screen.expect(pexpect.EOF)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@contextlib.contextmanager
def session(bundle: Path, command: Sequence[str], stdio: Stdio) -> Iterator[Session]:
    require_tool("runc")
    write_bundle(bundle, command, tty=stdio.tty)
    pid, terminal = pty.fork()
    if pid == 0:
        status = 99
        try:
            linux.die_with_parent(signal.SIGKILL)
            mapping: IdMapping = enter(search_path=PATH, warn=print)
            assert mapping.initial
            runc = Runc(find_runtime("runc", PATH), PATH, stdio=stdio)
            # The test's other end may not have its size yet.
            status = runc.run(new_container_id(), bundle)
        finally:
            os._exit(status)
    screen = pexpect.fdpexpect.fdspawn(terminal, timeout=20, encoding="utf-8")
    try:
        yield Session(pid, terminal, screen)
    finally:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(terminal)


BOTH = Stdio(interactive=True, tty=True)
INTERRUPT = "\x03"
COUNTER = """
trap 'echo got it' INT
echo ready
n=0
while [ $n -lt 30 ]; do sleep 0.02; n=$((n+1)); done
exit 6
"""


def test_the_container_has_a_terminal_of_the_same_size(tmp_path: Path) -> None:
    """R148, R149."""
    script = "trap 'exit 5' INT; while :; do stty size; sleep 0.05; done"
    with session(tmp_path, ["sh", "-c", script], BOTH) as run:
        run.resize(33, 99)
        run.screen.expect("33 99")
        run.resize(44, 111)
        run.screen.expect("44 111")
        run.screen.send(INTERRUPT)
        assert run.status() == 5


def test_a_key_for_interruption_arrives_once_and_in_the_container(tmp_path: Path) -> None:
    with session(tmp_path, ["sh", "-c", COUNTER], BOTH) as run:
        run.screen.expect("ready")
        run.screen.send(INTERRUPT)
        run.screen.expect("got it")
        assert run.status() == 6
        assert "got it" not in (run.screen.before or "")


def test_an_interactive_run_without_a_terminal_of_its_own_reads_ours(tmp_path: Path) -> None:
    script = "trap 'echo got it' INT; echo ready; read x; echo read $x; exit 7"
    with session(tmp_path, ["sh", "-c", script], Stdio(interactive=True)) as run:
        run.screen.expect("ready")
        run.screen.sendline("a line")
        run.screen.expect("read a line")
        assert run.status() == 7


def test_interruption_of_a_run_without_a_terminal_is_passed_on_once(tmp_path: Path) -> None:
    for stdio, name in ((Stdio(), "one"), (Stdio(interactive=True), "two")):
        bundle = tmp_path / name
        bundle.mkdir()
        with session(bundle, ["sh", "-c", COUNTER], stdio) as run:
            run.screen.expect("ready")
            run.screen.send(INTERRUPT)
            run.screen.expect("got it")
            assert run.status() == 6
            assert "got it" not in (run.screen.before or "")


@pytest.mark.parametrize("killed", [True, False])
def test_the_terminal_gets_its_modes_back(tmp_path: Path, killed: bool) -> None:
    """R149."""
    with session(tmp_path, ["sh", "-c", "echo ready; read x"], BOTH) as run:
        # Of the slave side, which stays the same object as long as we hold the master.
        before = run.modes()
        run.screen.expect("ready")
        assert run.modes() != before
        if killed:
            while not (tmp_path / "pid").exists():
                time.sleep(0.01)
            [runtime] = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
            os.kill(int(runtime), signal.SIGKILL)
        else:
            run.screen.sendline("")
        deadline = time.monotonic() + 10
        while run.modes() != before:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert run.status() == (137 if killed else 0)


def test_a_terminal_without_input_has_none(tmp_path: Path) -> None:
    with session(tmp_path, ["sh", "-c", "stty >/dev/null && echo is one"], Stdio(tty=True)) as run:
        run.screen.expect("is one")
        assert run.status() == 0


def test_a_terminal_is_made_where_the_caller_has_none(tmp_path: Path) -> None:
    """A script's -t: all output arrives, with the line ends of a terminal."""
    # The runtime passes the size on a moment after the start.
    script = "until stty size 2>&1 | grep 24; do :; done;"
    script += "echo error >&2; head -c 300000 /dev/zero"
    write_bundle(tmp_path, ["sh", "-c", script], tty=True)
    output = tmp_path / "out"

    def work() -> int:
        enter(search_path=PATH, warn=print)
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for standard in (1, 2):
            os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), standard)
        runc = Runc(find_runtime("runc", PATH), PATH, stdio=Stdio(tty=True))
        return runc.run(new_container_id(), tmp_path)

    assert forked(work) == 0
    assert output.read_bytes() == b"24 80\r\nerror\r\n" + bytes(300_000)
