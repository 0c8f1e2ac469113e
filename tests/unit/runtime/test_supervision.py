"""Waiting for a process, with real processes and signals, in a child of the tests' process."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from imgfetch.errors import InterruptedBySignalError
from imgfetch.runtime.supervision import Outcome, Supervisor, TimeLimits, signals_blocked
from tests.support.forked import forked


def spawn(script: str, mask: frozenset[int] = frozenset()) -> int:
    """A shell in a process group of its own, as runtimes are."""
    return os.posix_spawn("/bin/sh", ["sh", "-c", script], os.environ, setpgroup=0, setsigmask=mask)


def always() -> bool:
    return True


def test_the_status_is_the_processs() -> None:
    def work() -> Outcome:
        with signals_blocked() as mask:
            return Supervisor(spawn("exit 3", mask), always).wait()

    assert forked(work) == Outcome(3)


def test_a_process_that_ended_before_the_wait_is_found() -> None:
    def work() -> Outcome:
        with signals_blocked() as mask:
            pid = spawn("exit 3", mask)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            return Supervisor(pid, always).wait()

    assert forked(work) == Outcome(3)


def test_ignored_child_signals_hide_no_end() -> None:
    def work() -> Outcome:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        with signals_blocked() as mask:
            outcome = Supervisor(spawn("exit 3", mask), always).wait()
        assert signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN
        return outcome

    assert forked(work) == Outcome(3)


def test_a_process_killed_by_a_signal_has_its_negative_number() -> None:
    def work() -> Outcome:
        with signals_blocked() as mask:
            return Supervisor(spawn("kill -9 $$", mask), always).wait()

    assert forked(work) == Outcome(-signal.SIGKILL)


def test_a_signal_waits_until_the_container_runs(tmp_path: Path) -> None:
    """R148: a runtime that is pid 1 would not notice it before."""
    started = tmp_path / "started"
    script = f"trap 'echo early >{tmp_path}/early' TERM; sleep 0.3; trap 'exit 4' TERM; "
    script += f"touch {started}; while :; do sleep 0.01; done"

    def work() -> Outcome:
        with signals_blocked() as mask:
            pid = spawn(script, mask)
            os.kill(os.getpid(), signal.SIGTERM)
            return Supervisor(pid, started.exists).wait()

    assert forked(work) == Outcome(4)
    assert not (tmp_path / "early").exists()


def test_as_many_signals_arrive_as_were_sent(tmp_path: Path) -> None:
    """R148: a second one is no other than the first."""
    # Standard signals don't queue up: each is sent when the one before has arrived.
    counted = tmp_path / "counted"
    script = f"n=0; trap 'n=$((n+1)); : >{counted}$n; [ $n = 3 ] && exit $n' INT;"
    script += f": >{counted}0; while :; do sleep 0.01; done"

    def work() -> Outcome:
        with signals_blocked() as mask:
            pid = spawn(script, mask)
            sender = os.fork()
            if sender == 0:
                for number in range(3):
                    while not os.path.exists(f"{counted}{number}"):
                        time.sleep(0.01)
                    os.kill(os.getppid(), signal.SIGINT)
                os._exit(0)
            return Supervisor(pid, always).wait()

    assert forked(work) == Outcome(3)


def test_a_descriptor_that_hangs_up_ends_the_wait_at_once() -> None:
    """R145: also when that was before anybody waited."""

    def work() -> int:
        read, write = os.pipe()
        with signals_blocked() as mask:
            supervisor = Supervisor(spawn("trap '' TERM HUP INT; sleep 60", mask), always)
            fcntl.fcntl(read, fcntl.F_SETOWN, os.getpid())
            fcntl.fcntl(read, fcntl.F_SETFL, os.O_ASYNC)
            os.close(write)
            with pytest.raises(InterruptedBySignalError) as caught:
                supervisor.wait()
            supervisor.kill()
        return caught.value.signal_number

    assert forked(work) == signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_without_proxy_a_signal_ends_the_wait(number: signal.Signals) -> None:
    def work() -> int:
        with signals_blocked() as mask:
            supervisor = Supervisor(spawn("exec sleep 60", mask), always, proxy=False)
            os.kill(os.getpid(), number)
            with pytest.raises(InterruptedBySignalError) as caught:
                supervisor.wait()
            supervisor.kill()
            supervisor.kill()  # nothing left
        return caught.value.signal_number

    assert forked(work) == number


def limited(script: str, limits: TimeLimits) -> Callable[[], Outcome]:
    def work() -> Outcome:
        with signals_blocked() as mask:
            return Supervisor(spawn(script, mask), always, limits).wait()

    return work


def test_when_time_is_over_the_stop_signal_is_sent() -> None:
    script = "trap 'exit 9' USR1; while :; do sleep 0.01; done"
    limits = TimeLimits(run=0.3, stop=10, stop_signal=signal.SIGUSR1)
    assert forked(limited(script, limits)) == Outcome(9, timed_out=True)


def test_what_does_not_stop_is_killed() -> None:
    script = "trap '' TERM; while :; do sleep 0.01; done"
    limits = TimeLimits(run=0.2, stop=0.2)
    assert forked(limited(script, limits)) == Outcome(-signal.SIGKILL, timed_out=True)


def test_what_ends_in_time_did_not_time_out() -> None:
    assert forked(limited("exit 0", TimeLimits(run=30))) == Outcome(0)


def test_signals_are_as_before_afterwards() -> None:
    def work() -> bool:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        with signals_blocked() as mask:
            assert mask == before
            assert signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ())
        return signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before

    assert forked(work)
