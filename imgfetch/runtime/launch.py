"""Starting the runtime so that it never outlives this process.

The runtime becomes pid 1 of a pid namespace, with a ``/proc`` that shows it, and is
killed when this process ends, however it ends. The kernel then kills whatever is left
in that namespace, which is the container and everything in it. Where a new ``/proc``
is refused a `Watchdog` does what it can.
"""

from __future__ import annotations

import os
import select

from imgfetch.errors import NamespaceError, RuntimeFailedError
from imgfetch.fs import linux
from imgfetch.lean import signal
from imgfetch.lean.dataclasses import dataclass
from imgfetch.lean.typing import TYPE_CHECKING, NoReturn
from imgfetch.runtime.child import keep_descriptors, reset_signals

if TYPE_CHECKING:
    from collections.abc import Callable

_PROC_FLAGS = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
_REPORT_LIMIT = 4096
_FIRST_FREE = 3
_PROC_REFUSED = "/proc"


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a runtime.

    Attributes:
        argv: the command line; the first word is an absolute path.
        environment: all of it.
        stdin: whether it gets this process's standard input; else there is nothing to read.
        own_group: whether it is in a process group of its own, which a terminal's
            signals don't reach.
        preserve_fds: descriptors from 3 on that it gets.
        terminal: becomes its terminal, and its standard descriptors; None for ours.
        signal_mask: signals blocked in it.
        pid_namespace: whether it gets one; see `imgfetch.runtime.mountinfo`.
        joined: whether this process's children are in that namespace anyway: it does not
            end with the runtime, nor the runtime with this process.
        watch: told the process's id as soon as there is one.
    """

    argv: tuple[str, ...]
    environment: dict[str, str]
    stdin: bool = False
    own_group: bool = True
    preserve_fds: int = 0
    terminal: int | None = None
    signal_mask: frozenset[int] = frozenset()
    pid_namespace: bool = True
    joined: bool = False
    watch: Callable[[int], None] | None = None


def start(launch: Launch) -> int:
    """Start a runtime.

    With a pid namespace, this process can't fork again once the runtime has ended: its
    children would belong to a namespace that is gone.

    Returns:
        The process's id.

    Raises:
        NamespaceError: the kernel refuses the namespace or a new ``/proc``.
        RuntimeFailedError: the program can't be executed.
    """
    life_read, life_write = os.pipe()
    report_read, report_write = os.pipe()
    if launch.pid_namespace and not launch.joined:
        try:
            linux.unshare(linux.CLONE_NEWPID)
        except OSError as error:
            from imgfetch.remedies import DOCTOR

            message = f"a pid namespace is refused: {error.strerror}"
            raise NamespaceError(message, hint=DOCTOR) from error
    child = os.fork()
    if child == 0:
        os.close(life_write)
        os.close(report_read)
        _run(launch, life_read, report_write)
    if launch.watch:
        launch.watch(child)
    os.close(life_read)
    os.close(report_write)
    with open(report_read, encoding="utf-8", errors="replace") as report:
        said = report.read(_REPORT_LIMIT)
    os.close(life_write)
    if said:
        os.waitpid(child, 0)
        raise _error(said)
    return child


def _run(launch: Launch, life: int, report: int) -> NoReturn:
    """Become the runtime."""
    step = "prctl"
    try:
        if launch.pid_namespace and not launch.joined:
            linux.die_with_parent(signal.SIGKILL)
        if _has_ended(life):
            os._exit(1)
        if launch.pid_namespace:
            step = "unshare"
            linux.unshare(linux.CLONE_NEWNS)
            step = _PROC_REFUSED
            linux.mount("proc", "/proc", "proc", _PROC_FLAGS)
        step = launch.argv[0]
        if launch.terminal is not None:
            from imgfetch.runtime.relay import take  # most have none

            take(launch.terminal)
        elif launch.own_group:
            os.setpgid(0, 0)
        passed = range(_FIRST_FREE, _FIRST_FREE + launch.preserve_fds)
        for descriptor in passed:
            os.set_inheritable(descriptor, True)  # noqa: FBT003 - positional only
        keep_descriptors({*passed, report}, stdin=launch.stdin or launch.terminal is not None)
        os.chdir("/")
        reset_signals(launch.signal_mask)
        os.execve(launch.argv[0], launch.argv, launch.environment)  # noqa: S606 - no shell wanted
    except OSError as error:
        os.write(report, f"{step}\0{error.strerror}".encode(errors="replace"))
    finally:
        os._exit(1)


def _has_ended(life: int) -> bool:
    """Whether the parent has ended before it could be noticed: then nobody writes any more."""
    poll = select.poll()
    poll.register(life, select.POLLHUP)
    return bool(poll.poll(0))


def _error(said: str) -> NamespaceError | RuntimeFailedError:
    step, _, reason = said.partition("\0")
    from imgfetch import remedies

    if step == _PROC_REFUSED:
        return NamespaceError(f"a new /proc is refused: {reason}", hint=remedies.UNMASKED_PROC)
    if step.startswith("/"):
        message = f"{step} can't be executed: {reason}"
        return RuntimeFailedError(message, hint=remedies.DOCTOR)
    return NamespaceError(f"{step} is refused: {reason}", hint=remedies.DOCTOR)
