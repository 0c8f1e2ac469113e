"""The verbs of a client that are about detached containers."""

from __future__ import annotations

from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.client.collaborators import Collaborators
    from imgfetch.runtime.containers import Container
    from imgfetch.runtime.output import Entry


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
