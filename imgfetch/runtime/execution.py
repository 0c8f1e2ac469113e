"""A further process in a container that runs: ``runc exec``.

This process joins the namespaces of the container's supervisor first, and so stands where
that one stood when it started the runtime.
"""

from __future__ import annotations

import contextlib
import os
import select
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imgfetch.errors import NamespaceError, StoreError
from imgfetch.fs import linux
from imgfetch.runtime.errorstream import error_stream
from imgfetch.runtime.failure import failure
from imgfetch.runtime.launch import Launch, start
from imgfetch.runtime.layout import LOG, PID, STATE
from imgfetch.runtime.program import RuntimeProgram
from imgfetch.runtime.runc import Stdio, runtime_options
from imgfetch.runtime.supervision import Supervisor, signals_blocked
from imgfetch.runtime.terminal import terminal_for
from imgfetch.runtime.watchdog import Watchdog

if TYPE_CHECKING:
    from pathlib import Path

    from imgfetch.runtime.containers import Container

_SIGNAL_BASE = 128
PROCESS = "process.json"


def join(container: Container) -> Watchdog:
    """Enter the namespaces that a container's supervisor is in; there is no way back.

    Returns:
        What ends all that is started, however this process ends: the namespaces are others',
        and go on.

    Raises:
        StoreError: the container does not run.
        NamespaceError: the kernel refuses.
    """
    facts = container.facts
    monitor = facts.monitor.open() if container.state == "running" else None
    if monitor is None:
        message = f"container {container.container_id[:12]} does not run"
        if container.state == "running":
            message = f"container {container.container_id[:12]} can't be seen from here"
        raise StoreError(message)
    try:
        return _join(monitor, facts.monitor.pid, pid_namespace=facts.pid_namespace)
    except OSError as error:
        message = f"the namespaces of container {container.container_id[:12]} can't be entered"
        raise NamespaceError(message, actual=error.strerror) from error
    finally:
        os.close(monitor)


def _join(monitor: int, pid: int, *, pid_namespace: bool) -> Watchdog:
    with contextlib.ExitStack() as stack:
        children = -1
        if pid_namespace:
            path = f"/proc/{pid}/ns/pid_for_children"
            children = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(os.close, children)
        own, other = (os.stat(f"/proc/{which}/ns/user").st_ino for which in ("self", pid))
        foreign = own != other
        poll = select.poll()
        poll.register(monitor, select.POLLIN)
        if poll.poll(0):
            raise ProcessLookupError
        linux.setns(monitor, linux.CLONE_NEWNS | (linux.CLONE_NEWUSER if foreign else 0))
        if foreign:
            with contextlib.suppress(PermissionError):  # with no more than one's own group
                os.setgroups([])
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
        # Root in there, who may kill whatever is started, and knows processes by our numbers.
        watchdog = Watchdog.start()
        if pid_namespace:
            linux.setns(children, linux.CLONE_NEWPID)
        return watchdog


@dataclass(frozen=True, slots=True)
class Execution:
    """One process to be.

    Attributes:
        container: runs, and its namespaces were joined.
        directory: with the process's description; the runtime's files go there too.
        search_path: PATH for the runtime.
        watchdog: what `join` returned.
        stdio: what the process is connected to.
    """

    container: Container
    directory: Path
    search_path: str
    watchdog: Watchdog
    stdio: Stdio = field(default_factory=Stdio)

    def run(self) -> int:
        """Run the process to its end.

        Returns:
            Its exit status, 128+n after signal n.

        Raises:
            CommandError: it can't be executed, or isn't there.
            RuntimeFailedError: anything else that kept it from starting.
            InvalidOptionError: a terminal is wanted, and there is none.
        """
        facts = self.container.facts
        pid_file = self.directory / PID
        with contextlib.ExitStack() as stack:
            stack.callback(self.watchdog.release)
            terminal = terminal_for(
                stack,
                interactive=self.stdio.interactive,
                tty=self.stdio.tty,
                is_crun=facts.is_crun,
            )
            mask = stack.enter_context(signals_blocked())
            errors = error_stream(stack, pid_file.exists, tty=self.stdio.tty)
            if facts.is_crun and not self.stdio.tty:
                from imgfetch.runtime.crun import files_kept

                stack.enter_context(files_kept())
            launch = Launch(
                argv=self._argv(),
                environment={"PATH": self.search_path},
                stdin=self.stdio.interactive,
                own_group=not (self.stdio.tty or (self.stdio.interactive and os.isatty(0))),
                terminal=terminal,
                signal_mask=mask,
                pid_namespace=facts.pid_namespace,
                joined=True,
                watch=self.watchdog.watch,
            )
            pid = start(launch)
            if errors:
                errors.give_back()
            supervisor = Supervisor(pid, has_started=pid_file.exists, end=self.watchdog.kill_tree)
            try:
                outcome = supervisor.wait()
            except BaseException:
                supervisor.kill()
                raise
        if not pid_file.exists():
            name = os.path.basename(facts.runtime)
            raise failure(name, self.directory / LOG, outcome.status)
        return outcome.status if outcome.status >= 0 else _SIGNAL_BASE - outcome.status

    def _argv(self) -> tuple[str, ...]:
        facts, directory = self.container.facts, self.directory
        program = RuntimeProgram(facts.runtime, is_crun=facts.is_crun)
        options = runtime_options(
            program,
            state=f"{self.container.path}/{STATE}",
            log=f"{directory / LOG}",
            rootless=facts.rootless,
        )
        files = ("--process", f"{directory / PROCESS}", "--pid-file", f"{directory / PID}")
        tty = ("--tty",) if self.stdio.tty else ()
        return (*options, "exec", *files, *tty, self.container.container_id)
