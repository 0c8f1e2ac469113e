"""Waiting for a runtime: signals are passed on, time limits kept, the end noticed.

Signals are blocked and taken one by one, so nothing runs in handlers and none is lost
between a look and a wait.
"""

from __future__ import annotations

import os
import time

from imgfetch.errors import InterruptedBySignalError
from imgfetch.lean import signal
from imgfetch.lean.contextlib import contextmanager, suppress
from imgfetch.lean.dataclasses import dataclass, field
from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

FORWARDED = frozenset(
    {
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGWINCH,
        signal.SIGCONT,
    }
)
# Nobody's to send: the kernel does when a descriptor that somebody armed hangs up, see O_ASYNC.
HANG_UP = signal.SIGIO
_TAKEN = FORWARDED | {signal.SIGCHLD, HANG_UP}
_ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
# siginfo_t.si_code of what the kernel sends itself, for a key pressed on a terminal.
_SI_KERNEL = 0x80
# How often to look whether the container runs by now, while a signal waits for that.
_PAUSE = 0.005


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long a container may run, and how it is stopped.

    Attributes:
        run: seconds until it is stopped; None for as long as it likes.
        stop: seconds between asking it to stop and killing it.
        stop_signal: how it is asked.
    """

    run: float | None = None
    stop: float = 10
    stop_signal: int = signal.SIGTERM


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a runtime ended.

    Attributes:
        status: its exit status; the negative number of the signal that ended it.
        timed_out: whether the container was stopped because its time was over.
        oom_kills: how many processes the kernel has killed for want of memory; always 0
            where nobody asked, see `imgfetch.runtime.runc.Runc`.
    """

    status: int
    timed_out: bool = False
    oom_kills: int = 0


@contextmanager
def signals_blocked() -> Generator[frozenset[int]]:
    """Keep signals for `Supervisor.wait` instead of having them handled.

    Yields:
        The signals that were blocked before, for programs to be started.
    """
    # Where SIGCHLD is ignored, which is inherited, ended children vanish unseen.
    child_handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _TAKEN)
    try:
        yield frozenset(before)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGCHLD, child_handler)


def kill(pid: int) -> None:
    """End a runtime that is in a pid namespace, and all that is in there."""
    os.kill(pid, signal.SIGKILL)


@dataclass(slots=True)
class Supervisor:
    """Watches over one runtime.

    Attributes:
        pid: the runtime's process.
        has_started: whether the container's process runs. Before, a runtime is pid 1 of
            its namespace without handlers, and the kernel drops signals sent to it.
        limits: of time.
        proxy: whether signals are passed on; otherwise those that would end this
            process end the container with it.
        end: kills the runtime and all it has started, given its id.
    """

    pid: int
    has_started: Callable[[], bool]
    limits: TimeLimits = field(default_factory=TimeLimits)
    proxy: bool = True
    end: Callable[[int], None] = kill
    _waiting: list[int] = field(default_factory=list)
    _kill_at: float | None = None
    _timed_out: bool = False

    def wait(self) -> Outcome:
        """Wait for the end. Signals have to be blocked, see `signals_blocked`.

        Raises:
            InterruptedBySignalError: ended by a signal that is not passed on; by SIGKILL where
                it was `HANG_UP`, for that is what it means to the container.
        """
        stop_at = None if self.limits.run is None else time.monotonic() + self.limits.run
        while True:
            status = self._reap()
            if status is not None:
                return Outcome(status, self._timed_out)
            self._deliver()
            received = self._next_signal(stop_at)
            if received is not None:
                self._take(received)
            now = time.monotonic()
            if stop_at is not None and now >= stop_at:
                stop_at = None
                self._timed_out = True
                self._waiting.append(self.limits.stop_signal)
                self._kill_at = now + self.limits.stop
            if self._kill_at is not None and now >= self._kill_at:
                self._kill_at = None
                self.end(self.pid)

    def kill(self) -> None:
        """End the runtime, and all it has started, at once."""
        with suppress(ProcessLookupError, ChildProcessError):
            self.end(self.pid)
            os.waitpid(self.pid, 0)

    def _next_signal(self, stop_at: float | None) -> signal.struct_siginfo | None:
        if self._waiting:
            return signal.sigtimedwait(_TAKEN, _PAUSE)
        times = [at for at in (stop_at, self._kill_at) if at is not None]
        if not times:
            return signal.sigwaitinfo(_TAKEN)
        return signal.sigtimedwait(_TAKEN, max(0.0, min(times) - time.monotonic()))

    def _take(self, received: signal.struct_siginfo) -> None:
        number = received.si_signo
        if number == signal.SIGCHLD:
            return
        if number == HANG_UP:
            raise InterruptedBySignalError(signal.SIGKILL)
        if not self.proxy and number in _ENDING:
            raise InterruptedBySignalError(number)
        # A terminal sends to its whole foreground group: the runtime is in it, and has the
        # signal already, unless it was given a group of its own.
        delivered = received.si_code == _SI_KERNEL and os.getpgid(self.pid) == os.getpgrp()
        if self.proxy and not delivered:
            self._waiting.append(number)

    def _deliver(self) -> None:
        if self._waiting and self.has_started():
            for number in self._waiting:
                os.kill(self.pid, number)
            self._waiting.clear()

    def _reap(self) -> int | None:
        """The runtime's status if it has ended; as pid 1 also takes in orphans of others."""
        anybody = os.getpid() == 1
        while True:
            try:
                pid, status = os.waitpid(-1 if anybody else self.pid, os.WNOHANG)
            except ChildProcessError:
                return None
            if pid == self.pid:
                return os.waitstatus_to_exitcode(status)
            if pid == 0:
                return None
