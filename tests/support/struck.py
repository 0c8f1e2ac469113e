"""Commands that a signal strikes at a system call of theirs, or of a child of theirs.

strace counts the calls of each process and sends the signal when one enters its n-th, so
nothing of the command is changed for it, and programs that it starts are struck as well.
To be called in one of `tests.support.preloaded.workers`.
"""

from __future__ import annotations

import re
import signal
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.support import preloaded
from tests.support.cli import Imgfetch, Result
from tests.support.tools import require_tool

CALLS = (
    "chmod",
    "clone",
    "execve",
    "fchmod",
    "flock",
    "fsync",
    "ftruncate",
    "mkdir",
    "mount",
    "rename",
    "rmdir",
    "symlink",
    "syncfs",
    "umount2",
    "unlink",
    "unlinkat",
    "unshare",
    "utimensat",
    "write",
)
"""Those that change what others see, or wait for others."""

_CALL = re.compile(rf"(\d+) +({'|'.join(CALLS)})\(")
_PATIENCE = 60

Counts = dict[str, set[int]]
"""For each call, how many of them processes made."""


@dataclass(frozen=True, slots=True)
class Step:
    """When a command is struck.

    Attributes:
        call: name of a system call.
        number: the how manieth of a process's; 1 is the first.
        signal: what is sent.
    """

    call: str
    number: int
    signal: signal.Signals

    def __str__(self) -> str:
        return f"{self.signal.name.removeprefix('SIG')} at {self.call} {self.number}"


def counted(command: Imgfetch, *args: str, log: Path) -> Counts:
    """Lets a command come to its end, and counts the calls of each of its processes.

    Args:
        command: who runs it.
        *args: its arguments.
        log: path of a file for strace.
    """
    traced(command, f"trace={','.join(CALLS)}", *args, log=log).succeeded()
    calls: Counter[tuple[str, str]] = Counter()
    for line in log.read_text(errors="replace").splitlines():
        if match := _CALL.match(line):
            calls[match[2], match[1]] += 1
    counts = defaultdict(set)
    for (call, _), count in calls.items():
        counts[call].add(count)
    return counts


def steps(counts: Counts) -> list[Step]:
    """The first, the last and one in the middle of each call; of SIGTERM, that in the middle."""
    chosen = []
    for call, numbers in sorted(counts.items()):
        most = max(numbers)
        middle = (most + 1) // 2
        killed = sorted({1, middle, most})
        chosen += [Step(call, number, signal.SIGKILL) for number in killed]
        chosen.append(Step(call, middle, signal.SIGTERM))
    return chosen


def summary(chosen: Iterable[Step]) -> str:
    """At which calls, and at how many of each."""
    counts = Counter(step.call for step in chosen if step.signal == signal.SIGKILL)
    kills = ", ".join(f"{call} ({count})" for call, count in sorted(counts.items()))
    return f"SIGKILL at {kills}, SIGTERM at one of each"


def struck(command: Imgfetch, step: Step, *args: str) -> Result:
    """Runs a command and strikes it.

    Returns:
        How it ended, when all that it started has ended, too.
    """
    injected = f"inject={step.call}:signal={step.signal.name}:when={step.number}"
    return traced(command, injected, *args)


def traced(
    command: Imgfetch, expression: str, *args: str, log: Path | None = None, options: str = ""
) -> Result:
    """Runs a command under strace, from its first line on.

    Args:
        command: who runs it.
        expression: which calls; see strace(1), ``-e``.
        *args: arguments of the command.
        log: what strace is to write.
        options: more of strace's own.
    """
    begun = preloaded.begin(command, *args)
    strace = [require_tool("strace"), "-f", *options.split(), "-o", str(log or "/dev/null")]
    argv = [*strace, "-e", "signal=none", "-e", expression, "-p", str(begun.pid)]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        assert "attached" in said, said
        begun.go_on()
        result = begun.result()
        tracer.communicate(timeout=_PATIENCE)
    return result
