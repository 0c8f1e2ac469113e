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
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from imgfetch.runtime.child import keep_descriptors, reset_signals

_DONE = b"done"
_LIMIT = 64


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
        child = os.fork()
        if child == 0:
            os.close(lifeline)
            _wait(end)
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
        os.write(self.lifeline, _DONE)
        os.close(self.lifeline)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.child, 0)


def _wait(end: int) -> NoReturn:
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
            kill_tree(int(pid))
    finally:
        os._exit(0)


def kill_tree(root: int, proc: Path = Path("/proc")) -> None:
    """Kill a process and all that descend from it.

    Stopped first, so that none is born meanwhile; those of a container end with its
    first process.
    """
    with contextlib.suppress(ProcessLookupError):
        os.kill(root, signal.SIGSTOP)
    for pid in (*descendants(root, proc), root):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


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
