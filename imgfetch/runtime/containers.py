"""Detached containers as they are, read from the directory of runs.

A container runs while its supervisor holds the lock of its directory. Once there is an
``exit.json`` it has exited; one that has neither was killed together with its supervisor,
or by a reboot. Numbers of processes are never trusted by themselves, see
`imgfetch.runtime.monitor`.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from imgfetch.errors import StoreCorruptError, StoreError
from imgfetch.fs.claim import is_claimed
from imgfetch.runtime.layout import DETACHED, ENDING, EXIT, PID
from imgfetch.runtime.monitor import Monitor
from imgfetch.runtime.pidfile import find_process
from imgfetch.runtime.rundir import NAMES

if TYPE_CHECKING:
    from typing import TypeAlias

State: TypeAlias = Literal["running", "exited", "dead"]

# Of a container that nobody saw ending: it was killed.
KILLED = 137


@dataclass(frozen=True, slots=True)
class Facts:
    """What a detached container is; written down when it starts.

    Attributes:
        image: the reference, as given.
        digest: of the image's manifest.
        argv: of its process.
        created: seconds since the epoch.
        labels: that it was given.
        ports: those published, as in `imgfetch.workflow.result.RunRecord`.
        stop_signal: asks it to stop.
        stop_timeout: seconds until it is killed then.
        remove: whether nothing is to be left of it.
        runtime: path of the OCI runtime.
        is_crun: whether that is crun.
        rootless: whether it is in a user namespace of the store's owner.
        pid_namespace: whether the runtime is in one besides the container's.
        monitor: the process that supervises it.
    """

    image: str
    digest: str
    argv: tuple[str, ...]
    created: float
    labels: dict[str, str]
    ports: tuple[dict[str, Any], ...]
    stop_signal: int
    stop_timeout: float
    remove: bool
    runtime: str
    is_crun: bool
    rootless: bool
    pid_namespace: bool
    monitor: Monitor

    def encode(self) -> bytes:
        """As it is kept in a file."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, raw: bytes) -> Facts:
        """From a file.

        Raises:
            StoreCorruptError: it was made by something else.
        """
        try:
            value = json.loads(raw)
            value["monitor"] = Monitor(**value["monitor"])
            value["argv"], value["ports"] = tuple(value["argv"]), tuple(value["ports"])
            return cls(**value)
        except (ValueError, TypeError, LookupError) as error:
            message = f"a container's {DETACHED} is of another version of imgfetch, or damaged"
            raise StoreCorruptError(message) from error


@dataclass(frozen=True, slots=True)
class Container:
    """A detached container at the moment when it was looked at.

    Attributes:
        path: of its directory.
        container_id: the last part of that.
        name: that a person chose; None for none.
        facts: what it is.
        ending: how it ended, as in `imgfetch.workflow.result.RunRecord.document`; None
            where it has not, or nobody saw it.
        state: ``dead`` where nobody saw how it ended.
    """

    path: str
    container_id: str
    name: str | None
    facts: Facts
    ending: dict[str, Any] | None
    state: State

    @property
    def exit_status(self) -> int | None:
        """Its exit status; None while it runs."""
        if self.state == "running":
            return None
        status = self.ending and self.ending.get("exit_code")
        return status if isinstance(status, int) else KILLED

    def process(self) -> int | None:
        """Its first process as this process sees it; None where it can't be seen."""
        monitor = self.facts.monitor
        if self.state != "running" or not monitor.is_running():
            return None
        return find_process(f"{self.path}/{PID}", monitor.pid, int(self.facts.pid_namespace))


def all_containers(runs: str) -> list[Container]:
    """Every detached container, the youngest first.

    Args:
        runs: absolute path of the store's ``runs``.
    """
    names = _names(runs)
    found = (read(runs, container_id, names.get(container_id)) for container_id in _ids(runs))
    containers = [container for container in found if container]
    return sorted(containers, key=lambda one: one.facts.created, reverse=True)


def find(runs: str, wanted: str) -> Container:
    """The container of a name, an id, or the beginning of one id only.

    Raises:
        StoreError: there is none, or more than one.
    """
    container = find_any(runs, wanted)
    if container is None:
        message = f"no detached container is called {wanted}"
        raise StoreError(message, hint="imgfetch ps -a lists those there are")
    return container


def find_any(runs: str, wanted: str) -> Container | None:
    """As `find`, and None where there is none.

    Raises:
        StoreError: there is more than one.
    """
    names = _names(runs)
    ids = [one for one, name in names.items() if name == wanted] or [
        one for one in _ids(runs) if wanted and one.startswith(wanted)
    ]
    found = [one for one in (read(runs, one, names.get(one)) for one in ids) if one]
    if len(found) == 1:
        return found[0]
    if found:
        message = f"more than one container has an id that begins with {wanted}"
        raise StoreError(message, hint="give more of the id")
    return None


def read(runs: str, container_id: str, name: str | None) -> Container | None:
    """One container; None where there is none, or it does not run detached.

    Raises:
        StoreCorruptError: see `Facts.decode`.
    """
    path = f"{runs}/{container_id}"
    try:
        with open(f"{path}/{DETACHED}", "rb") as file:
            facts = Facts.decode(file.read())
        alive = _is_alive(path, facts.monitor)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None  # a run in the foreground, under other ids perhaps, or no run at all
    # In this order: a supervisor that ends meanwhile has told how before it lets go.
    ending = read_ending(f"{path}/{EXIT}")
    if ending is None and not alive and not os.path.isdir(path):
        return None
    state: State = "exited" if ending else "running" if alive else "dead"
    return Container(path, container_id, name, facts, ending, state)


def read_ending(path: str | int) -> dict[str, Any] | None:
    """How a container ended, from a file or an open one; None where it did not yet.

    ``path`` is an ``exit.json``, or the ``ending`` that `open_ending` gave.
    """
    try:
        with open(path, "rb") as file:
            value = json.loads(file.read())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def open_ending(container: Container) -> int | None:
    """What will tell how a container ended, even if it is removed at once."""
    try:
        return os.open(f"{container.path}/{ENDING}", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None


def _is_alive(path: str, monitor: Monitor) -> bool:
    held = is_claimed(path)
    if held is False:
        return False
    if monitor.can_be_seen:
        # Whoever clears up holds it for a moment, and some file systems have no locks.
        return monitor.is_running()
    return held is True


def _ids(runs: str) -> list[str]:
    with suppress(FileNotFoundError):
        return [name for name in os.listdir(runs) if name != NAMES]
    return []


def _names(runs: str) -> dict[str, str]:
    """The names of containers by their ids."""
    directory = f"{runs}/{NAMES}"
    names: dict[str, str] = {}
    with suppress(FileNotFoundError):
        for name in os.listdir(directory):
            with suppress(OSError):  # the lock is no link
                names[os.readlink(f"{directory}/{name}")] = name
    return names
