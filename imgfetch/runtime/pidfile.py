"""``--pidfile``: the container's process as the caller of this program sees it.

The runtime writes a number of its own pid namespace. A process that stayed outside looks
for the descendant that has this number in there, and writes down the one that it has here.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from imgfetch.fs.atomic import replace_file
from imgfetch.runtime.child import keep_descriptors
from imgfetch.runtime.layout import PID
from imgfetch.runtime.watchdog import descendants

if TYPE_CHECKING:
    from collections.abc import Generator

_PAUSE = 2
"""Milliseconds: how often to look whether the container runs by now."""
_PUBLIC_FILE = 0o644


@contextlib.contextmanager
def written_pid(target: str, bundle: str, *, pid_namespace: bool) -> Generator[None]:
    """Write a container's pid as soon as it runs; one that ends at once may leave none.

    Has to be entered before the runtime is started.

    Args:
        target: the file, which shows up whole.
        bundle: where the runtime writes what it thinks.
        pid_namespace: whether the runtime is in a pid namespace besides the container's.
    """
    supervisor = os.getpid()
    end, lifeline = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(lifeline)
        _write(target, bundle, supervisor, end, depth=int(pid_namespace))
    os.close(end)
    try:
        yield
    finally:
        os.close(lifeline)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)


def _write(target: str, bundle: str, supervisor: int, end: int, *, depth: int) -> NoReturn:
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        keep_descriptors({end}, stdin=False)
        poll = select.poll()
        poll.register(end, select.POLLHUP)
        while not poll.poll(_PAUSE):
            pid = find_process(f"{bundle}/{PID}", supervisor, depth)
            if pid is not None:
                replace_file(target, b"%d\n" % pid, mode=_PUBLIC_FILE)
                break
    finally:
        os._exit(0)


def find_process(file: str, supervisor: int, depth: int) -> int | None:
    """The id here of the process that a runtime has written its own id of to a file.

    Args:
        file: the runtime's.
        supervisor: the process that started the runtime.
        depth: how many pid namespaces the runtime is further in than that one.
    """
    try:
        with open(file, encoding="ascii") as stream:
            inside = stream.read().strip()
    except OSError:
        return None
    if not inside:
        return None  # about to be written
    with contextlib.suppress(OSError):
        depth += max(len(_numbers(supervisor)), 1) - 1
    for pid in descendants(supervisor, Path("/proc")):
        with contextlib.suppress(OSError, IndexError):
            if _numbers(pid)[depth] == inside:
                return pid
    return None


def _numbers(pid: int) -> list[str]:
    """A process's ids in all pid namespaces from this one on inwards."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        return next((line.split()[1:] for line in file if line.startswith("NSpid:")), [])
