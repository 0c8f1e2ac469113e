"""Which process supervises a detached container: told apart from any that has its number now.

Numbers of processes are used again, at once after a reboot. So the boot, the namespace that
the number belongs to and the process's start time are written down with it: proc_pid_stat(5).
"""

from __future__ import annotations

import os
from dataclasses import dataclass

_BOOT = "/proc/sys/kernel/random/boot_id"
# Fields of proc_pid_stat(5) after the name, which may hold anything.
_STATE, _START = 0, 19
_ZOMBIE = b"Z"


@dataclass(frozen=True, slots=True)
class Monitor:
    """A process, for as long as the machine runs.

    Attributes:
        pid: its number.
        start_time: when it started, in clock ticks since the boot.
        boot_id: of the boot.
        pid_namespace: the namespace that the number belongs to.
    """

    pid: int
    start_time: int
    boot_id: str
    pid_namespace: int

    @classmethod
    def of_self(cls) -> Monitor:
        """The calling process."""
        return cls(os.getpid(), _start_time(os.getpid()) or 0, _boot_id(), _pid_namespace())

    @property
    def can_be_seen(self) -> bool:
        """Whether the number means something here and now."""
        return self.boot_id == _boot_id() and self.pid_namespace == _pid_namespace()

    def is_running(self) -> bool:
        """Whether the process is there; always False where it can't be seen."""
        return self.can_be_seen and _start_time(self.pid) == self.start_time

    def open(self) -> int | None:
        """A pidfd, which stands for this process and no later one; None where it is gone."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except OSError:
            return None
        if self.is_running():
            return descriptor
        os.close(descriptor)
        return None


def _start_time(pid: int) -> int | None:
    """None for a process that is gone, or waits for nothing but to be reaped."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[_STATE] == _ZOMBIE else int(fields[_START])


def _boot_id() -> str:
    try:
        with open(_BOOT, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _pid_namespace() -> int:
    return os.stat("/proc/self/ns/pid").st_ino
