"""Command lines that do the same thing, measured in turns."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.benchmarks.memory import watch_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Words = Sequence[str | Path]

_MIB = 1 << 20

# Seconds.
_REST = 0.2


def _nothing() -> None:
    """There is nothing to do."""


@dataclass(slots=True)
class Contender:
    """Command lines to be measured, one after the other.

    Attributes:
        name: for the table.
        commands: makes the command lines of a round, of which some need a new name each time.
        env: the whole environment.
        prepare: makes things as they have to be before; not measured.
        clear: removes what the commands have made; not measured.
        together: whether a round's commands run at the same time, instead of one by one.
        user: numeric user and group that they run as; None for the caller's.
        walls: wall time of each round, in seconds.
        cpus: processor time of each round, of all processes that were waited for, in seconds.
        peak: most memory that all processes had together, in bytes; 0 where nobody looked.
    """

    name: str
    commands: Callable[[int], Sequence[Words]]
    env: Mapping[str, str]
    prepare: Callable[[], None] = _nothing
    clear: Callable[[], None] = _nothing
    together: bool = False
    user: int | None = None
    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    peak: int = 0

    @property
    def wall(self) -> float:
        """The median wall time."""
        return statistics.median(self.walls)

    @property
    def cpu(self) -> float:
        """The median processor time."""
        return statistics.median(self.cpus)

    @property
    def peak_mib(self) -> float:
        """The memory in MiB."""
        return self.peak / _MIB

    def measure(self, number: int) -> None:
        """Runs the commands once."""
        wall = cpu = 0.0
        self.prepare()
        commands = self.commands(number)
        for some in [commands] if self.together else [[argv] for argv in commands]:
            start = time.perf_counter()
            processes = [_start(argv, self.env, self.user) for argv in some]
            for argv, process in zip(some, processes, strict=True):
                _, status, usage = os.wait4(process.pid, 0)
                cpu += usage.ru_utime + usage.ru_stime
                process.returncode = os.waitstatus_to_exitcode(status)
                _require_success(process.returncode, argv)
            wall += time.perf_counter() - start
        self.clear()
        self.walls.append(wall)
        self.cpus.append(cpu)

    def warm_up(self) -> None:
        """Runs the commands without measuring the time, and looks at their memory instead."""
        self.prepare()
        for argv in self.commands(0):
            process = _start(argv, self.env, self.user)
            self.peak = max(self.peak, watch_memory(process))
            _require_success(process.wait(), argv)
        self.clear()


def take_turns(contenders: Sequence[Contender], rounds: int) -> None:
    """Measures all contenders in every round, each time beginning with another one.

    Each has a rest before it. Without, the kernel would still be busy with what the one before
    has left (namespaces, cgroups, dirty pages), and for some milliseconds after a container it
    moves processes between cgroups in half the time: that would flatter whoever comes to that
    first.
    """
    for contender in contenders:  # the first time fills caches, of which there are many
        contender.warm_up()
    for number in range(1, rounds + 1):
        first = number % len(contenders)
        for contender in [*contenders[first:], *contenders[:first]]:
            time.sleep(_REST)
            contender.measure(number)


def run_once(env: Mapping[str, str], *argv: str | Path, user: int | None = None) -> None:
    """Runs a command that has to succeed and is not measured."""
    _require_success(_start(argv, env, user).wait(), argv)


def machine() -> str:
    """What the figures were measured on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()
            if line.startswith("model name")
        ),
        os.uname().machine,
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cores} x {model}, {memory:.0f} GiB, Linux {os.uname().release}"


def _start(argv: Words, env: Mapping[str, str], user: int | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [str(word) for word in argv],
        env=env,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=None if "IMGFETCH_BENCH_VERBOSE" in os.environ else subprocess.DEVNULL,
    )


def _require_success(status: int, argv: Words) -> None:
    if status:
        sys.exit(f"bench: exit status {status}: {' '.join(map(str, argv))}")
