"""Stopping, waiting for and removing detached containers.

Signals go to the container's own process, by a descriptor that stands for it and for no
later process with its number.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

from imgfetch.errors import RuntimeFailedError, StoreError
from imgfetch.fs.claim import claim_abandoned
from imgfetch.fs.removal import remove_tree
from imgfetch.runtime.cgroups import remove_leftover
from imgfetch.runtime.containers import KILLED, open_ending, read, read_ending
from imgfetch.runtime.rundir import give_name_back

if TYPE_CHECKING:
    from imgfetch.runtime.containers import Container

# Killed processes take a moment to end, and a supervisor to clear up behind them.
_PATIENCE = 30.0
_PAUSES = (0.01, 0.1)


def kill(container: Container, number: int) -> None:
    """Send a signal to a container's first process.

    Raises:
        StoreError: it does not run.
        RuntimeFailedError: it can't be reached from here.
    """
    if container.state != "running":
        message = f"container {container.container_id[:12]} does not run"
        raise StoreError(message, hint="imgfetch ps -a shows how it ended")
    pid = _process(container)
    if pid is None:
        return
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if container.process() == pid:
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)


def stop(container: Container, timeout: float | None = None) -> None:
    """Ask a container to stop, and kill it if it does not; one that does not run is left alone.

    Args:
        container: to stop.
        timeout: seconds from the one to the other; None for what it was started with.

    Raises:
        RuntimeFailedError: it can't be reached, or does not end.
    """
    if container.state != "running":
        return
    facts = container.facts
    kill(container, facts.stop_signal)
    if not _has_ended(container, facts.stop_timeout if timeout is None else timeout):
        end(container)


def end(container: Container) -> None:
    """Kill a container, and wait for its end.

    Raises:
        RuntimeFailedError: it can't be reached, or does not end.
    """
    if container.state != "running":
        return
    kill(container, signal.SIGKILL)
    if not _has_ended(container, _PATIENCE):
        message = f"container {container.container_id[:12]} was killed and does not end"
        raise RuntimeFailedError(message)


def wait(container: Container) -> int:
    """Wait for a container's end; returns its exit status.

    Raises:
        StoreError: it was removed before that could be seen.
    """
    if container.exit_status is not None:
        return container.exit_status
    # Of one that is removed at once only an open file can tell.
    descriptor = open_ending(container)
    _has_ended(container, None)
    ended = _look(container, running=False)
    if ended is not None and ended.exit_status is not None:
        return ended.exit_status
    if descriptor is None and ended is None:
        message = f"container {container.container_id[:12]} is gone, and its exit status with it"
        raise StoreError(message, hint="--rm leaves nothing; wait for it before it ends")
    document = None if descriptor is None else read_ending(descriptor)
    status = document and document.get("exit_code")
    return status if isinstance(status, int) else KILLED


def remove(container: Container) -> None:
    """Remove what a container that does not run has left.

    Has to be called in the namespaces that it was made in: files of subordinate ids can't
    be removed from outside.

    Raises:
        StoreError: somebody holds it, or it can't be removed.
    """
    path = container.path
    deadline = time.monotonic() + _PATIENCE
    while (claim := claim_abandoned(path)) is None:
        if not os.path.isdir(path):
            return
        if time.monotonic() > deadline:
            message = f"container {container.container_id[:12]} is in use by another process"
            raise StoreError(message)
        time.sleep(_PAUSES[0])
    try:
        if container.name is not None:
            with contextlib.suppress(FileNotFoundError):
                give_name_back(os.path.dirname(path), container.name, container.container_id)
        remove_leftover(path, container.container_id)
        remove_tree(path)
    except OSError as error:
        message = f"container {container.container_id[:12]} can't be removed: {error.strerror}"
        raise StoreError(message) from error
    finally:
        os.close(claim)


def _process(container: Container) -> int | None:
    """A container's first process; None where it has ended.

    Right after its start it is not there yet, and while a supervisor clears up no more:
    both take a moment.
    """
    deadline = time.monotonic() + _PATIENCE
    while (pid := container.process()) is None:
        if _look(container) is None:
            return None
        name = f"container {container.container_id[:12]}"
        if not container.facts.monitor.can_be_seen:
            message = f"the processes of {name} can't be seen from here"
            raise RuntimeFailedError(message, hint="it was started in another pid namespace")
        if time.monotonic() > deadline:
            message = f"{name} has no process, and does not end"
            raise RuntimeFailedError(message)
        time.sleep(_PAUSES[0])
    return pid


def _has_ended(container: Container, timeout: float | None) -> bool:
    """Wait for a container's end, or for some time."""
    deadline = None if timeout is None else time.monotonic() + timeout
    pause, longest = _PAUSES
    while _look(container) is not None:
        if deadline is not None and time.monotonic() >= deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, longest)
    return True


def _look(container: Container, *, running: bool = True) -> Container | None:
    """The container as it is now; None where it is gone, or is not as asked."""
    found = read(os.path.dirname(container.path), container.container_id, container.name)
    return found if found and (found.state == "running") is running else None
