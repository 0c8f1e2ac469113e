"""The verbs that change the process they are called in, for good.

It enters namespaces, forks, takes signals over: they are for a process that has one thread and
nothing else to do, as the command line's. `imgfetch.library` starts one for each call.
"""

from __future__ import annotations

import os

from imgfetch.client.container_verbs import ContainerVerbs
from imgfetch.lean.dataclasses import replace
from imgfetch.lean.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from imgfetch.bundle.options import RunOptions
    from imgfetch.client.bundles import Unpacking
    from imgfetch.client.image_verbs import PinnedImage
    from imgfetch.client.running import Supervision
    from imgfetch.workflow.execute import Command
    from imgfetch.workflow.obtain import Policy


class ProcessVerbs(ContainerVerbs):
    """The part of `Client` that changes the calling process."""

    def prepare(self, images: Iterable[PinnedImage]) -> None:
        """Unpack images' layers, so that runs of them start at once.

        Takes this process into namespaces of its own, as `run` does.

        Args:
            images: what `pull` returned.
        """
        from imgfetch.client import containers

        containers.prepare(self._collaborators, [(str(one), one.platform) for one in images])

    def run(
        self,
        name: str,
        options: RunOptions,
        *,
        supervision: Supervision | None = None,
        platform: str | None = None,
        policy: Policy = "missing",
    ) -> int:
        """Run a container in the foreground.

        Takes this process into namespaces of its own, for good: call it in a process
        that has one thread and nothing else to do.

        Args:
            name: an image name.
            options: of the container.
            supervision: how it is watched over.
            platform: see `resolve`.
            policy: when to ask the registry.

        Returns:
            The container's exit status; 128+n after signal n.
        """
        from imgfetch.client import running

        return running.run(
            self._collaborators,
            name,
            options,
            supervision or running.Supervision(),
            platform=platform,
            policy=policy,
        )

    def spec(
        self,
        name: str,
        options: RunOptions,
        *,
        platform: str | None = None,
        policy: Policy = "missing",
    ) -> dict[str, Any]:
        """The runtime specification that `run` would use; the store stays as it is.

        Takes this process into namespaces of its own, as `run` does.
        """
        from imgfetch.client import specifying

        return specifying.spec(self._collaborators, name, options, platform=platform, policy=policy)

    def unpack(
        self,
        name: str,
        directory: str,
        *,
        options: RunOptions | None = None,
        unpacking: Unpacking | None = None,
        platform: str | None = None,
        policy: Policy = "missing",
    ) -> None:
        """An OCI bundle in a directory, ready for ``runc run``.

        As an ordinary user, takes this process into namespaces of its own, as `run` does.

        Args:
            name: an image name.
            directory: absent or empty.
            options: of the container; None for a bundle as ``umoci unpack`` makes it.
            unpacking: how.
            platform: see `resolve`.
            policy: when to ask the registry.
        """
        from imgfetch.client import bundles

        bundles.unpack(
            self._collaborators,
            name,
            directory,
            options,
            unpacking or bundles.Unpacking(),
            platform=platform,
            policy=policy,
        )

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
