"""run -t: a terminal of the container's own."""

from __future__ import annotations

import re
import termios
from collections.abc import Iterator

import pexpect
import pytest

from tests.e2e.people import Somebody

ROWS, COLUMNS = 33, 101


def _session(somebody: Somebody, *arguments: str) -> pexpect.spawn[bytes]:
    """The command behind a real terminal of an unusual size."""
    program, *rest = somebody.imgfetch.argv("run", "--network", "none", *arguments)
    return pexpect.spawn(
        program,
        rest,
        env=somebody.imgfetch.environment(),
        cwd=str(somebody.imgfetch.home),
        dimensions=(ROWS, COLUMNS),
        timeout=30,
    )


@pytest.fixture
def shell(anybody: Somebody) -> Iterator[pexpect.spawn[bytes]]:
    """A container that does line by line what it is told.

    An interactive shell would edit the line, and ask the terminal questions meanwhile.
    """
    script = (
        "trap 'got=yes; echo caught' INT; echo ready;"
        ' while read -r line; do eval "$line"; echo =; done'
    )
    session = _session(anybody, "-it", anybody.published.busybox, "sh", "-c", script)
    session.expect_exact("ready\r\n")
    yield session
    # In good order: what is killed leaves a control group to whoever runs next.
    session.sendline("exit")
    session.expect(pexpect.EOF)
    session.close(force=True)


def _answer(shell: pexpect.spawn[bytes], command: str) -> str:
    """What a command prints, behind its echo."""
    shell.sendline(command)
    shell.expect_exact("\r\n=\r\n")
    return (shell.before or b"").decode().rpartition(f"{command}\r\n")[2]


def test_the_shell_is_on_a_terminal(shell: pexpect.spawn[bytes]) -> None:
    """P19, S147: which is another than the caller's."""
    assert re.fullmatch(r"/dev/(pts/0|console)", _answer(shell, "tty"))
    assert _answer(shell, "stty size") == f"{ROWS} {COLUMNS}"
    assert _answer(shell, "echo $TERM") == "xterm"


def test_a_new_size_arrives(shell: pexpect.spawn[bytes]) -> None:
    """P19, R148."""
    shell.setwinsize(44, 123)
    assert any(_answer(shell, "sleep 0.1; stty size") == "44 123" for _ in range(50))


def test_control_c_interrupts_the_command_and_not_imgfetch(shell: pexpect.spawn[bytes]) -> None:
    """P19, R148: and arrives once."""
    # No process of the shell's: it may end by itself when one was interrupted just after its start.
    command = 'until [ "$got" ]; do :; done'
    shell.sendline(command)
    shell.expect_exact(f"{command}\r\n")
    shell.sendcontrol("c")
    shell.expect_exact("\r\n=\r\n")
    assert (shell.before or b"").count(b"caught") == 1
    assert _answer(shell, "echo $$") == "1"


def test_the_exit_status_is_the_shells(shell: pexpect.spawn[bytes]) -> None:
    shell.sendline("exit 9")
    shell.expect(pexpect.EOF)
    shell.wait()
    assert shell.exitstatus == 9


@pytest.mark.parametrize("ending", ["exit 3", "kill -9 -1"])
def test_the_callers_terminal_is_as_before(anybody: Somebody, ending: str) -> None:
    """P19, R149."""
    session = _session(anybody, "-it", anybody.published.busybox, "sh", "-c", f"read x; {ending}")
    with open(session.child_fd, closefd=False) as terminal:
        before = termios.tcgetattr(terminal)
        assert before[3] & termios.ECHO
        session.sendline("")
        session.expect(pexpect.EOF)
        session.wait()
        try:
            after = termios.tcgetattr(terminal)
        except termios.error:  # the kernel forgot the terminal with its last user
            return
    assert after == before


def test_without_a_terminal_there_is_none_to_pass_on(anybody: Somebody) -> None:
    result = anybody.run("-it", command=["true"]).exited(125)
    assert "tty" in result.errors.lower() or "terminal" in result.errors.lower()


def test_without_t_there_is_no_terminal(anybody: Somebody) -> None:
    session = _session(anybody, "-i", anybody.published.busybox, "sh", "-c", "tty; exit 5")
    session.expect_exact("not a tty")
    session.expect(pexpect.EOF)
    session.wait()
    assert session.exitstatus == 5
