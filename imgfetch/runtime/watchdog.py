"""Ends a container whose supervisor was killed, where no pid namespace does that.

In a pod ``/proc`` is masked, the runtime can't have a pid namespace of its own, and
its death would leave the container alive. So a process in a session of its own waits
for the supervisor's end, and kills whatever the runtime has started. The same is there for
what is executed in a container that runs: the namespaces are that one's, and go on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from imgfetch.runtime.child import keep_descriptors, reset_signals

_DONE = b"done"
_LIMIT = 64
# It takes a moment to end.
_PATIENCE = 5.0
_PAUSE = 0.005
# Some generations are born while others are looked for.
_ROUNDS = 100


@dataclass(frozen=True, slots=True)
class Watchdog:
    """The waiting process.

    Attributes:
        child: its id.
        lifeline: closed by the kernel when this process ends.
    """

    child: int
    lifeline: int

    @classmethod
    def start(cls) -> Watchdog:
        """Start one; has to be before the runtime."""
        end, lifeline = os.pipe()
        supervisor = os.getpid()
        child = os.fork()
        if child == 0:
            os.close(lifeline)
            _wait(end, supervisor)
        os.close(end)
        return cls(child, lifeline)

    def watch(self, pid: int) -> None:
        """Say which process the runtime is."""
        os.write(self.lifeline, b"%d " % pid)

    @staticmethod
    def kill_tree(root: int) -> None:
        """Kill a runtime, and the container with it."""
        kill_tree(root)

    @staticmethod
    def kill_container(pid_file: Path) -> None:
        """Kill the container of a runtime that was killed by somebody else."""
        with contextlib.suppress(OSError, ValueError):
            os.kill(int(pid_file.read_text("ascii")), signal.SIGKILL)

    def release(self) -> None:
        """Say that all is well, and wait for the process's end."""
        with contextlib.suppress(BrokenPipeError):  # somebody may have killed it
            os.write(self.lifeline, _DONE)
        os.close(self.lifeline)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.child, 0)


def _wait(end: int, supervisor: int) -> NoReturn:
    try:
        os.setsid()
        keep_descriptors({end}, stdin=False)
        os.dup2(0, 1)
        os.dup2(0, 2)
        reset_signals(())
        said = b""
        while piece := os.read(end, _LIMIT):
            said += piece
        pid, _, rest = said.partition(b" ")
        if pid.isdigit() and rest != _DONE:
            _await_end(supervisor)
            kill_tree(int(pid))
    finally:
        os._exit(0)


def _await_end(supervisor: int) -> None:
    """Wait until a process whose files are closed is gone altogether.

    At its very end the kernel sends SIGHUP to what it has started and finds stopped, and runc
    passes that on: then what the container's process has started would be nobody's.
    """
    deadline = time.monotonic() + _PATIENCE
    while os.getppid() == supervisor and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    time.sleep(_PAUSE)


def kill_tree(root: int, proc: Path = Path("/proc")) -> None:
    """Kill a process and all that descend from it.

    All are stopped first, until none is born any more: killed one by one, the last might
    have lost their parents before they were seen.
    """
    stopped: set[int] = set()
    for _ in range(_ROUNDS):
        born = {root, *descendants(root, proc)} - stopped
        if not born:
            break
        _signal(born, signal.SIGSTOP)
        stopped |= born
    _signal(stopped, signal.SIGKILL)


def _signal(pids: set[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def descendants(root: int, proc: Path) -> list[int]:
    """The processes below a process, the nearest first."""
    parents = {}
    for entry in proc.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # proc(5): the name may hold anything, also parentheses.
                stat = (entry / "stat").read_bytes().rpartition(b")")[2]
                parents[int(entry.name)] = int(stat.split()[1])
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found[1:]
