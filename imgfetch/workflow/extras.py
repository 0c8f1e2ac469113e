"""What most runs have none of: files about the run, a network, what was written kept."""

from __future__ import annotations

import os

from imgfetch.errors import InvalidOptionError
from imgfetch.fs.atomic import make_directories, write_all
from imgfetch.lean.dataclasses import dataclass
from imgfetch.lean.typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack

    from imgfetch.bundle.options import PublishedPort
    from imgfetch.bundle.spec import RuntimeSpec
    from imgfetch.interfaces import Ending, Progress, Snapshotter
    from imgfetch.runtime.connectors import Forward
    from imgfetch.runtime.network import PrivateNetwork
    from imgfetch.runtime.rundir import RunDirectory
    from imgfetch.workflow.detach import Detached
    from imgfetch.workflow.mounts import MountMaker
    from imgfetch.workflow.result import RunRecord

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Connection(NamedTuple):
    """A private network that is coming up.

    Attributes:
        network: this process is in it.
        forwards: ports that are to lead into it.
    """

    network: PrivateNetwork
    forwards: list[Forward]


@dataclass(frozen=True, slots=True)
class Extras:
    """Each is None or empty where nobody asked for it.

    Attributes:
        progress: told what a person should know.
        mounts: makes the sources of volumes, mounted images and secrets.
        network_helpers: paths of the programs behind a private network.
        ports: to publish.
        init: path of a static init on the host.
        cid_file: gets the container's id; must not be there yet.
        pid_file: gets the pid of the container's process.
        pid_namespace: whether the runtime is in one besides the container's.
        keep: absolute path of the directory that what containers wrote is moved to.
        record: gets what becomes known.
        detached: the run is nobody's to wait for; None in the foreground.
    """

    progress: Progress
    mounts: MountMaker | None = None
    network_helpers: tuple[str, ...] = ()
    ports: tuple[PublishedPort, ...] = ()
    init: str | None = None
    cid_file: str | None = None
    pid_file: str | None = None
    pid_namespace: bool = True
    keep: str | None = None
    record: RunRecord | None = None
    detached: Detached | None = None

    def connect(self, directory: RunDirectory, stack: ExitStack) -> Connection | None:
        """Move this process into the container's network, if it is to have a private one.

        Args:
            directory: of the run.
            stack: gets what ends the network.

        Raises:
            InvalidOptionError: a port on an address that is not this machine's.
            RuntimeFailedError: the network is refused.
        """
        if not self.network_helpers:
            return None
        from imgfetch.runtime.network import PrivateNetwork

        forwards: list[Forward] = []
        if self.ports:
            from imgfetch.workflow.network import numbered

            # Before this process leaves the network in which the numbers have to be free.
            forwards = numbered(self.ports)
        network = PrivateNetwork.start(self.network_helpers, f"{directory.path}", forwards)
        stack.callback(network.close)
        return Connection(network, forwards)

    def begin(
        self,
        spec: RuntimeSpec,
        connection: Connection | None,
        directory: RunDirectory,
        snapshotter: Snapshotter,
        stack: ExitStack,
    ) -> None:
        """Do what has to be done right before the runtime is started.

        Args:
            spec: of the container.
            connection: what `connect` returned.
            directory: of the run.
            snapshotter: has mounted the root filesystem.
            stack: gets what is to be done when the runtime has ended.

        Raises:
            InvalidOptionError: a file can't be made, or a port is taken.
            RuntimeFailedError: the network could not be set up.
        """
        if self.keep:
            stack.callback(self._keep, directory, snapshotter, self.keep)
        if self.cid_file:
            _write_new(self.cid_file, f"{directory.container_id}\n", "--cidfile")
        if connection:
            connection.network.finish(spec.network_sysctls)
            self._tell(connection.forwards)
        if self.pid_file:
            from imgfetch.runtime.pidfile import written_pid

            stack.enter_context(
                written_pid(self.pid_file, f"{directory.path}", pid_namespace=self.pid_namespace)
            )
        if self.detached:
            self.detached.begin(directory, stack)
        if self.record and self.record.on_begin:
            self.record.on_begin(self.record)

    def leave(self, directory: RunDirectory) -> None:
        """Remove the run's directory, or what of it is not to be kept."""
        if self.detached:
            self.detached.leave(directory)
        else:
            directory.remove()

    def end(self, ending: Ending) -> None:
        """Take in how the container ended."""
        if ending.oom_kills and not self.detached:
            processes = "process" if ending.oom_kills == 1 else "processes"
            self.progress.warn(
                f"out of memory: the kernel killed {ending.oom_kills} {processes} of the container"
            )
        if self.record:
            self.record.exit_code = ending.status
            self.record.timed_out = ending.timed_out
            self.record.oom_kills = ending.oom_kills

    def _tell(self, forwards: Sequence[Forward]) -> None:
        for port, asked in zip(forwards, self.ports, strict=True):
            if not asked.host_port:
                here = f"{port.address or '0.0.0.0'}:{port.host_port}"  # noqa: S104 - as slirp4netns has it
                self.progress.warn(f"port {port.container_port}/{port.protocol} is {here} here")
            if self.record:
                self.record.ports.append(port._asdict())

    def _keep(self, directory: RunDirectory, snapshotter: Snapshotter, keep: str) -> None:
        """Move what the container wrote out of the run's directory, which is removed."""
        path = f"{directory.path}"
        # Without overlays the root filesystem is a copy: what was written is all over it.
        copied = not os.path.ismount(f"{path}/rootfs")
        in_memory = os.path.ismount(f"{path}/work")
        if in_memory:
            self.progress.warn("what the container wrote was in memory, and can't be kept")
            return
        snapshotter.unmount(directory.path)
        make_directories(keep)
        kept = f"{keep}/{directory.container_id}"
        os.rename(f"{path}/{'rootfs' if copied else 'upper'}", kept)
        self.progress.warn(f"what the container wrote is kept in {kept}")
        if self.record:
            self.record.kept = kept


def check_new(path: str, option: str) -> None:
    """Refuse a file that is there already, before anything was done for a run.

    Raises:
        InvalidOptionError: it is.
    """
    if os.path.lexists(path):
        message = f"{option} {path}: the file is there already"
        raise InvalidOptionError(message, hint="another container may be running with it")


def _write_new(path: str, text: str, option: str) -> None:
    try:
        fd = os.open(path, _NEW, 0o644)
        try:
            write_all(fd, text.encode())
        finally:
            os.close(fd)
    except OSError as error:
        message = f"{option} {path}: {error.strerror}"
        raise InvalidOptionError(message) from error
