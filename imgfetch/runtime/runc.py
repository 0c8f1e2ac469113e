"""Running a bundle with runc, or another program that takes its command line.

runtime-spec runtime.md has the life cycle; runc(8) and crun(1) the options.
"""

from __future__ import annotations

import os

from imgfetch.lean import contextlib
from imgfetch.lean.dataclasses import dataclass, field, replace
from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.runtime.errorstream import error_stream
from imgfetch.runtime.launch import Launch, start
from imgfetch.runtime.layout import LOG, PID, STATE
from imgfetch.runtime.mountinfo import root_is_initramfs
from imgfetch.runtime.supervision import Outcome, Supervisor, TimeLimits, kill, signals_blocked

if TYPE_CHECKING:
    from pathlib import Path

    from imgfetch.runtime.program import RuntimeProgram
    from imgfetch.runtime.watchdog import Watchdog

_SIGNAL_BASE = 128


@dataclass(frozen=True, slots=True)
class Stdio:
    """What the container is connected to besides standard output and error.

    Attributes:
        interactive: whether it gets the caller's standard input; else an empty one.
        tty: whether it has a pseudo-terminal, shown on the caller's terminal.
        preserve_fds: descriptors from 3 on that it gets.
    """

    interactive: bool = False
    tty: bool = False
    preserve_fds: int = 0


def runtime_options(program: RuntimeProgram, *, state: str, log: str, rootless: bool) -> list[str]:
    """The beginning of each of a runtime's command lines.

    Args:
        program: the runtime.
        state: path of the directory that it keeps its state in.
        log: path of the file for its errors.
        rootless: whether this is in a user namespace other than the machine's first.
    """
    argv = [program.path, "--root", state, "--log", log, "--log-format", "json"]
    if rootless:
        argv += ["--cgroup-manager=disabled"] if program.is_crun else ["--rootless=true"]
    return argv


@dataclass(frozen=True, slots=True)
class Runc:
    """An OCI runtime, started in a pid namespace of its own.

    Has to be used in namespaces of `imgfetch.snapshot.userns.enter`, and once.

    Attributes:
        program: the runtime.
        search_path: PATH for the runtime, and nothing else of the caller's environment:
            runc gives NOTIFY_SOCKET and LISTEN_FDS a meaning.
        rootless: whether this is in a user namespace other than the machine's first.
        pid_namespace: whether the runtime is in one besides the container's, so that all
            ends with this process; see `imgfetch.runtime.mountinfo.fresh_proc_allowed`.
        stdio: what the container is connected to.
        limits: of time.
        signal_proxy: whether signals are passed on to the container.
        counts_oom_kills: whether the container's cgroup is kept until its memory events
            were read; there has to be one. Not with crun, nor with runc before 1.1.
    """

    program: RuntimeProgram
    search_path: str
    rootless: bool = False
    pid_namespace: bool = True
    stdio: Stdio = field(default_factory=Stdio)
    limits: TimeLimits = field(default_factory=TimeLimits)
    signal_proxy: bool = True
    counts_oom_kills: bool = False

    def run(self, container_id: str, bundle: Path) -> int:
        """See `Runtime.run`.

        Raises:
            CommandError: the container's command can't be executed, or isn't there.
            RuntimeFailedError: anything else that kept the container from starting.
            InvalidOptionError: a terminal is wanted, and there is none.
            InterruptedBySignalError: see `supervise`.
        """
        return self.supervise(container_id, bundle).status

    def supervise(self, container_id: str, bundle: Path) -> Outcome:
        """As `run`, and tell more about the end.

        Raises:
            InterruptedBySignalError: by a signal that is not to be passed on.
        """
        pid_file = bundle / PID
        with contextlib.ExitStack() as stack:
            terminal = self._terminal(stack)
            mask = stack.enter_context(signals_blocked())
            watchdog = self._watchdog(stack)
            errors = error_stream(stack, pid_file.exists, tty=self.stdio.tty)
            if self.program.is_crun:
                from imgfetch.runtime.crun import files_kept, hide_unified_cgroups

                hide_unified_cgroups()
                if not self.stdio.tty:
                    stack.enter_context(files_kept())
            launch = self._launch(container_id, bundle, mask, terminal)
            pid = start(replace(launch, watch=watchdog.watch) if watchdog else launch)
            if errors:
                errors.give_back()
            _load_what_follows()
            supervisor = Supervisor(
                pid,
                has_started=pid_file.exists,
                limits=self.limits,
                proxy=self.signal_proxy,
                end=watchdog.kill_tree if watchdog else kill,
            )
            try:
                outcome = supervisor.wait()
            except BaseException:
                supervisor.kill()
                self._clear_up(container_id, bundle)
                raise
        started = pid_file.exists()
        kills = 0
        if outcome.status < 0 or self.counts_oom_kills or not started:
            # Killed, so it could not clear up, or told not to, or it gave up halfway.
            if watchdog and outcome.status < 0:
                watchdog.kill_container(pid_file)
            kills = self._clear_up(container_id, bundle)
        if not started:
            from imgfetch.runtime.failure import failure  # most succeed

            raise failure(self.program.name, bundle / LOG, outcome.status)
        status = outcome.status if outcome.status >= 0 else _SIGNAL_BASE - outcome.status
        return Outcome(status, outcome.timed_out, kills)

    def _clear_up(self, container_id: str, bundle: Path) -> int:
        """Remove the container's cgroup, which has counted how often memory ran out."""
        from imgfetch.runtime.cgroups import oom_kills, remove_leftover

        kills = oom_kills(f"{bundle}", container_id) if self.counts_oom_kills else 0
        remove_leftover(f"{bundle}", container_id)
        return kills

    def _terminal(self, stack: contextlib.ExitStack) -> int | None:
        """The terminal to be the runtime's, if any, and a look at what else it gets."""
        stdio = self.stdio
        if not (stdio.tty or stdio.preserve_fds):
            return None
        from imgfetch.runtime.terminal import check_passed_on, terminal_for

        check_passed_on(stdio.preserve_fds)
        return terminal_for(
            stack, interactive=stdio.interactive, tty=stdio.tty, is_crun=self.program.is_crun
        )

    def _watchdog(self, stack: contextlib.ExitStack) -> Watchdog | None:
        if self.pid_namespace:
            return None
        from imgfetch.runtime.watchdog import Watchdog

        watchdog = Watchdog.start()
        stack.callback(watchdog.release)
        return watchdog

    def _launch(
        self, container_id: str, bundle: Path, mask: frozenset[int], terminal: int | None
    ) -> Launch:
        stdio = self.stdio
        return Launch(
            argv=self._argv(container_id, bundle),
            environment={"PATH": self.search_path},
            stdin=stdio.interactive,
            # Reading from a terminal is for the foreground group only.
            own_group=not (stdio.tty or (stdio.interactive and os.isatty(0))),
            preserve_fds=stdio.preserve_fds,
            terminal=terminal,
            signal_mask=mask,
            pid_namespace=self.pid_namespace,
        )

    def _argv(self, container_id: str, bundle: Path) -> tuple[str, ...]:
        argv = runtime_options(
            self.program, state=f"{bundle / STATE}", log=f"{bundle / LOG}", rootless=self.rootless
        )
        argv += ["run", "--pid-file", f"{bundle / PID}", "--bundle", f"{bundle}"]
        if root_is_initramfs():
            argv.append("--no-pivot")
        if self.counts_oom_kills and not self.program.is_crun:
            argv.append("--keep")
        if self.stdio.preserve_fds:
            argv += ["--preserve-fds", str(self.stdio.preserve_fds)]
        return (*argv, container_id)


def _load_what_follows() -> None:
    """Import, while the runtime comes up, what is needed when it has ended."""
    from imgfetch.fs import removal  # noqa: F401 - for whoever removes the bundle
