"""``run --detach``: the run in a process of its own, which outlives the one that asked.

The monitor is the foreground's supervision, without a terminal and in a session of its
own: it keeps the run's directory locked, and the container ends with it, however that
ends. Until the container has started its failures are the caller's.
"""

from __future__ import annotations

import json
import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from imgfetch import failures
from imgfetch.errors import RuntimeFailedError
from imgfetch.fs.atomic import PRIVATE_FILE, replace_file, write_all
from imgfetch.fs.linux import stay_inspectable
from imgfetch.runtime.containers import KILLED, Facts
from imgfetch.runtime.layout import DETACHED, ENDING, EXIT, OUTPUT, PID
from imgfetch.runtime.monitor import Monitor
from imgfetch.runtime.output import Recorder
from imgfetch.workflow.result import RunRecord, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import ExitStack

    from imgfetch.bundle.options import RunOptions
    from imgfetch.fs.idmap import IdMapping, IdRange
    from imgfetch.runtime.runc import Runc
    from imgfetch.runtime.rundir import RunDirectory

_STANDARD = 2
_PIECE = 65536
_PAUSE = 2
"""Milliseconds: how often to look whether the container runs by now."""


@dataclass(slots=True)
class Detached:
    """A run that goes on behind its caller's back.

    Attributes:
        record: filled in while it goes on.
        remove: whether nothing is to be left of it.
        interactive: whether its standard input stays open; nobody writes to it.
        preserve_fds: descriptors from 3 on that it gets.
        container_id: once it has started.
    """

    record: RunRecord
    remove: bool = False
    interactive: bool = False
    preserve_fds: int = 0
    container_id: str | None = None
    _uid: int = field(default_factory=os.geteuid)
    _gid: int = field(default_factory=os.getegid)
    _options: RunOptions | None = None
    _runtime: Runc | None = None
    _caller: int = -1
    _ending: int = -1
    _stdin: list[int] = field(default_factory=list)

    def settle(self, options: RunOptions, runtime: Runc, mapping: IdMapping) -> None:
        """Take in what was decided before there is a container; has to come before `start`."""
        self._options = options
        self._runtime = runtime
        self._uid = _inside(mapping.uids, self._uid)
        self._gid = _inside(mapping.gids, self._gid)

    def start(self, supervise: Callable[[], int], runs: str) -> None:
        """Run in a process of its own, until the container has started or failed to.

        Args:
            supervise: the run; calls `begin` and `leave`.
            runs: absolute path of the directory of runs.

        Raises:
            ImgfetchError: what the run failed with before the container had started.
        """
        said, self._caller = os.pipe()
        between = os.fork()
        if between == 0:
            os.close(said)
            self._become_monitor(supervise)
        os.close(self._caller)
        os.waitpid(between, 0)
        starting = _Starting(said, runs)
        try:
            self.container_id = starting.wait()
        except BaseException:
            starting.abandon()
            raise
        finally:
            os.close(said)

    # In the monitor

    def begin(self, directory: RunDirectory, stack: ExitStack) -> None:
        """Write down what the container is, and take its output from here on."""
        path = f"{directory.path}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._ending = os.open(f"{path}/{ENDING}", flags, PRIVATE_FILE)
        recorder = Recorder.start(f"{path}/{OUTPUT}")
        stack.callback(recorder.release)
        # From here on others find it, with all that they will look for.
        replace_file(f"{path}/{DETACHED}", self._facts().encode())
        self._give_to_owner(path)
        self._say(container_id=directory.container_id)

    def leave(self, directory: RunDirectory) -> None:
        """Write down how the container ended, or leave nothing if it never started."""
        if self._ending < 0 or not os.path.exists(f"{directory.path}/{PID}"):
            directory.remove()
            return
        import time

        if self.record.exit_code is None:
            self.record.exit_code = KILLED  # together with a supervision that failed
        document = encode(self.record.document(None, time.time()))
        with suppress(OSError):
            write_all(self._ending, document)
        if self.remove:
            directory.remove()
        else:
            replace_file(f"{directory.path}/{EXIT}", document)
            self._give_to_owner(f"{directory.path}")

    def _facts(self) -> Facts:
        record, options, runtime = self.record, self._options, self._runtime
        if options is None or runtime is None:
            message = "a detached run was started before it was settled"
            raise RuntimeError(message)
        return Facts(
            image=record.image or "",
            digest=record.digest or "",
            argv=tuple(record.argv or ()),
            created=record.started_at,
            labels=dict(options.labels),
            ports=tuple(record.ports),
            stop_signal=int(runtime.limits.stop_signal),
            stop_timeout=runtime.limits.stop,
            remove=self.remove,
            runtime=runtime.program.path,
            is_crun=runtime.program.is_crun,
            rootless=runtime.rootless,
            pid_namespace=runtime.pid_namespace,
            monitor=Monitor.of_self(),
        )

    def _give_to_owner(self, path: str) -> None:
        """With ids of its own choice root in there is somebody else than the store's owner."""
        if self._uid == self._gid == 0:
            return
        for name in ("", DETACHED, ENDING, OUTPUT, EXIT):
            with suppress(FileNotFoundError):
                os.chown(f"{path}/{name}", self._uid, self._gid)

    def _become_monitor(self, supervise: Callable[[], int]) -> NoReturn:
        status = 1
        try:
            os.setsid()
            # No longer the session's leader: no terminal that is opened becomes ours.
            if os.fork() == 0:
                self._monitor(supervise)
            status = 0
        finally:
            os._exit(status)

    def _monitor(self, supervise: Callable[[], int]) -> NoReturn:
        try:
            stay_inspectable()
            self._say(monitor=os.getpid())
            self._let_go_of_the_caller()
            supervise()
        except BaseException as error:  # noqa: BLE001 - told to the caller, who raises it
            self._say(**failures.to_message(error))
        else:
            self._say(ended=True)
        finally:
            os._exit(0)

    def _let_go_of_the_caller(self) -> None:
        """Keep none of the caller's files open, but its standard error for a while."""
        if self.interactive:
            read, write = os.pipe()
            self._stdin.append(write)
            os.dup2(read, 0)
            os.close(read)
        else:
            nowhere = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nowhere, 0)
            os.close(nowhere)
        os.dup2(2, 1)
        os.chdir("/")
        for name in os.listdir("/proc/self/fd"):
            descriptor = int(name)
            # Our own are close-on-exec: what is not was given to us.
            with suppress(OSError):
                if descriptor > _STANDARD + self.preserve_fds and os.get_inheritable(descriptor):
                    os.close(descriptor)

    def _say(self, **news: Any) -> None:
        with suppress(OSError):  # nobody waits any more
            write_all(self._caller, json.dumps(news).encode() + b"\n")


def _inside(lines: Sequence[IdRange], outside: int) -> int:
    """The id inside that is one of the caller's outside."""
    for line in lines:
        if line.outside <= outside < line.outside + line.size:
            return line.inside + outside - line.outside
    return 0


class _Starting:
    """The caller's view of a monitor, until the container runs.

    Args:
        said: where the monitor tells.
        runs: absolute path of the directory of runs.
    """

    def __init__(self, said: int, runs: str) -> None:
        self._said = said
        self._runs = runs
        self._news: dict[str, Any] = {}
        self._rest = b""

    def wait(self) -> str:
        """The container's id, once it runs or has run."""
        poll = select.poll()
        poll.register(self._said, select.POLLIN)
        while True:
            if poll.poll(_PAUSE) and not self._listen():
                message = "the process that was to supervise the container was killed"
                raise RuntimeFailedError(message)
            container_id: str | None = self._news.get("container_id")
            if "error" in self._news or "bug" in self._news:
                raise failures.from_message(self._news)
            if container_id is None:
                continue
            if "ended" in self._news or os.path.exists(f"{self._runs}/{container_id}/{PID}"):
                return container_id

    def abandon(self) -> None:
        """End the monitor, and the container with it."""
        monitor = self._news.get("monitor")
        if monitor is not None and not self._news.keys() & {"error", "bug", "ended"}:
            with suppress(ProcessLookupError):
                os.kill(monitor, signal.SIGTERM)

    def _listen(self) -> bool:
        piece = os.read(self._said, _PIECE)
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._news.update(json.loads(line))
        return bool(piece)
