"""The verbs of a client that are about detached containers."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgfetch.bundle.options import RunOptions
    from imgfetch.client.collaborators import Collaborators
    from imgfetch.client.running import Supervision
    from imgfetch.runtime.containers import Container
    from imgfetch.runtime.output import Entry
    from imgfetch.workflow.execute import Command
    from imgfetch.workflow.obtain import Policy


class ContainerVerbs:
    """The part of `Client` that is about detached containers.

    Containers are named by their names, their ids, or the beginning of an id. Each verb
    raises `imgfetch.errors.StoreError` where there is no such container.

    Attributes:
        _collaborators: the client's.
    """

    _collaborators: Collaborators

    @property
    def _runs(self) -> str:
        return f"{self._collaborators.settings.store}/runs"

    def start(
        self,
        name: str,
        options: RunOptions,
        *,
        supervision: Supervision | None = None,
        remove: bool = False,
        platform: str | None = None,
        policy: Policy = "missing",
    ) -> str:
        """Run a container in the background: `Client.run` has the rest.

        Args:
            name: an image name.
            options: of the container.
            supervision: how it is watched over.
            remove: whether nothing is to be left of it when it has ended.
            platform: as for `Client.run`.
            policy: when to ask the registry.

        Returns:
            The container's id, once it has started.

        Raises:
            UsageError: supervision that takes somebody who waits.
        """
        from imgfetch.client import running
        from imgfetch.errors import UsageError
        from imgfetch.workflow.detach import Detached
        from imgfetch.workflow.result import RunRecord

        asked = supervision or running.Supervision()
        if asked.keep or asked.record:
            message = "a detached container keeps what it wrote and its result until it is removed"
            raise UsageError(message, hint="leave --keep and --result away; see imgfetch wait")
        process = options.process
        record = RunRecord(image=name)
        # A terminal that nobody is at is made by the monitor, and is open without -i.
        interactive = process.interactive and not process.tty
        detached = Detached(record, remove, interactive, process.preserve_fds)
        options = replace(options, process=replace(process, interactive=interactive))
        supervision = replace(asked, record=record, detached=detached)
        running.run(
            self._collaborators, name, options, supervision, platform=platform, policy=policy
        )
        return detached.container_id or ""

    def containers(self) -> list[Container]:
        """Every detached container, also those that have ended; the youngest first."""
        from imgfetch.runtime.containers import all_containers

        return all_containers(self._runs)

    def container(self, name: str) -> Container:
        """One container."""
        from imgfetch.runtime.containers import find

        return find(self._runs, name)

    def logs(self, name: str, *, follow: bool = False) -> Iterator[Entry]:
        """What a container has written, the oldest first.

        Args:
            name: the container.
            follow: whether to wait for more until it ends.
        """
        from imgfetch.errors import StoreError
        from imgfetch.runtime.containers import find, read
        from imgfetch.runtime.layout import OUTPUT
        from imgfetch.runtime.output import entries

        container = find(self._runs, name)
        try:
            file = open(f"{container.path}/{OUTPUT}", "rb", buffering=0)  # noqa: SIM115 - see below
        except FileNotFoundError as error:
            message = f"container {container.container_id[:12]} is gone"
            raise StoreError(message) from error

        def is_over() -> bool:
            now = read(self._runs, container.container_id, container.name)
            return now is None or now.state != "running"

        with file:
            yield from entries(file, is_over=is_over if follow else None)

    def execute(self, name: str, command: Command) -> int:
        """Run a command in a container that runs.

        Takes this process into the container's namespaces, for good.

        Returns:
            The command's exit status; 128+n after signal n.
        """
        from imgfetch.workflow.execute import execute

        collaborators = self._collaborators
        return execute(
            self.container(name),
            command,
            search_path=collaborators.search_path,
            progress=collaborators.progress,
        )

    def kill(self, name: str, number: int) -> None:
        """Send a signal to a container."""
        from imgfetch.workflow.control import kill

        kill(self.container(name), number)

    def stop(self, name: str, *, timeout: float | None = None) -> None:
        """Ask a container to stop, and kill it if it does not.

        Args:
            name: the container.
            timeout: seconds from the one to the other; None for what it was started with.
        """
        from imgfetch.workflow.control import stop

        stop(self.container(name), timeout)

    def wait(self, name: str) -> int:
        """Wait for a container's end; returns its exit status."""
        from imgfetch.workflow.control import wait

        return wait(self.container(name))

    def discard(self, names: list[str], *, force: bool = False) -> Iterator[str]:
        """Remove containers that have ended, with all they have written.

        As an ordinary user, takes this process into namespaces of its own, as `run` does.

        Args:
            names: the containers.
            force: kill those that run, and pass over names that nothing has, or has any more.

        Yields:
            Each name, when its container is gone.

        Raises:
            StoreError: one runs.
        """
        from imgfetch.errors import StoreError
        from imgfetch.runtime.containers import find, find_any
        from imgfetch.workflow import control

        look = find_any if force else find
        found = [(name, one) for name in names if (one := look(self._runs, name))]
        for _, container in found:
            if container.state == "running" and not force:
                message = f"container {container.container_id[:12]} is running"
                raise StoreError(message, hint="stop it, or use --force")
            control.end(container)
        enter = self._namespaces()
        for name, container in found:
            enter()
            control.remove(container)
            yield name

    def _namespaces(self) -> Callable[[], None]:
        """How to be able to remove files of subordinate ids, once."""
        entered = os.geteuid() == 0

        def enter() -> None:
            nonlocal entered
            if not entered:
                from imgfetch.snapshot.userns import enter

                collaborators = self._collaborators
                enter(search_path=collaborators.search_path, warn=collaborators.progress.warn)
                entered = True

        return enter
