"""`Client`: everything that can be done with images, for one store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imgfetch.client.archive_verbs import ArchiveVerbs
from imgfetch.client.collaborators import Collaborators
from imgfetch.client.container_verbs import ContainerVerbs
from imgfetch.client.naming import stored_reference
from imgfetch.client.registry_verbs import RegistryVerbs
from imgfetch.client.store_verbs import StoreVerbs
from imgfetch.interfaces import NoProgress

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

    from imgfetch.bundle.options import RunOptions
    from imgfetch.client.bundles import Unpacking
    from imgfetch.client.running import Supervision
    from imgfetch.client.settings import Settings
    from imgfetch.interfaces import Progress
    from imgfetch.oci.digest import Digest
    from imgfetch.oci.image import Image
    from imgfetch.oci.reference import Reference
    from imgfetch.workflow.obtain import Policy


@dataclass(frozen=True, slots=True)
class PinnedImage:
    """One platform's image by digest.

    Attributes:
        name: without tag and digest.
        digest: of the manifest (or of the index, where that was asked for).
        platform: of the image; None for an index.
    """

    name: str
    digest: Digest
    platform: str | None = None

    def __str__(self) -> str:
        """``name@digest``."""
        return f"{self.name}@{self.digest}"


class Client(ContainerVerbs, StoreVerbs, RegistryVerbs, ArchiveVerbs):
    """Everything that can be done with images, for one store.

    Image names are of any transport, see `imgfetch.oci.transport`. Every verb raises
    `imgfetch.errors.ImgfetchError` of the branch that fits, and nothing else on bad
    input.

    Args:
        settings: see `Settings`.
        progress: told how far the work has come.
    """

    def __init__(self, settings: Settings, *, progress: Progress | None = None) -> None:
        self._collaborators = Collaborators(settings, progress or NoProgress())

    def __enter__(self) -> Self:
        """Use as a context manager to have connections closed."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close connections."""
        self.close()

    def close(self) -> None:
        """Close connections."""
        self._collaborators.close()

    # Images

    def resolve(
        self, name: str, *, platform: str | None = None, index: bool = False
    ) -> PinnedImage:
        """What a name stands for: nothing is stored.

        Args:
            name: an image name.
            platform: ``os/architecture[/variant]``; None for this machine's.
            index: stop at the index, if there is one.
        """
        from imgfetch.client.looking import documents_of
        from imgfetch.workflow.resolve import select_image

        parsed = self._collaborators.parse(name)
        with documents_of(self._collaborators, parsed, stored_first=False) as documents:
            top = documents.top()
            reference = stored_reference(parsed, top)
            if index:
                return PinnedImage(str(reference.repository), top.digest)
            wanted = self._collaborators.platform(platform)
            return _pinned(reference, select_image(documents, top, wanted, name))

    def pull(
        self,
        name: str,
        *,
        platforms: Iterable[str] = (),
        all_platforms: bool = False,
        policy: Policy = "always",
        unpack: bool = False,
    ) -> list[PinnedImage]:
        """Fetch, verify, store and name an image.

        Args:
            name: an image name.
            platforms: those wanted; empty for this machine's.
            all_platforms: all there are.
            policy: when to ask the registry.
            unpack: whether layers that are fetched are unpacked meanwhile, in a process of
                its own; `prepare` unpacks what was here already.

        Returns:
            One entry for each platform.
        """
        alongside = None
        if unpack:
            from imgfetch.client.containers import unpacking_alongside

            alongside = unpacking_alongside(self._collaborators)
        parsed = self._collaborators.parse(name)
        platform = self._collaborators.platform
        chosen = tuple(platform(text) for text in platforms) or (platform(),)
        store = self._collaborators.store
        with store.lease():
            wanted = None if all_platforms else chosen
            obtained = self._collaborators.obtain(parsed, wanted, policy, alongside=alongside)
            reference = stored_reference(parsed, obtained.top)
            if store.lookup(str(reference)) != obtained.top:
                store.tag(str(reference), obtained.top)
        return [_pinned(reference, image) for image in obtained.images]

    def inspect(self, name: str, *, platform: str | None = None) -> dict[str, Any]:
        """An image's documents: from the store, else from its source, storing nothing."""
        from imgfetch.client.looking import documents_of
        from imgfetch.workflow.images import describe
        from imgfetch.workflow.resolve import select_image

        parsed = self._collaborators.parse(name)
        with documents_of(self._collaborators, parsed, stored_first=True) as documents:
            top = documents.top()
            wanted = self._collaborators.platform(platform)
            return describe(str(parsed), top, select_image(documents, top, wanted, name))

    def history(self, name: str, *, platform: str | None = None) -> list[dict[str, Any]]:
        """How an image was made: its steps, lowest layer first; found as `inspect` does."""
        from imgfetch.client import housekeeping

        return housekeeping.history(self._collaborators, name, platform)

    # Containers

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


def _pinned(reference: Reference, image: Image) -> PinnedImage:
    repository = str(reference.repository)
    return PinnedImage(repository, image.descriptor.digest, str(image.config.platform))
