"""The verbs of `imgfetch.client.Client` that are done in a child, with what they give."""

from __future__ import annotations

from imgfetch.client.archive_verbs import ArchiveVerbs
from imgfetch.client.image_verbs import ImageVerbs
from imgfetch.client.store_verbs import StoreVerbs
from imgfetch.lean.typing import TYPE_CHECKING, Any
from imgfetch.library.interpreter import find_interpreter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from imgfetch.client.archives import Exporting
    from imgfetch.client.bundles import Unpacking
    from imgfetch.client.housekeeping import Pruned
    from imgfetch.client.image_verbs import ImageLike, PinnedImage
    from imgfetch.findings import Finding
    from imgfetch.library.call import Call, Stream
    from imgfetch.library.events import Event
    from imgfetch.workflow.doctor import Diagnosis
    from imgfetch.workflow.evict import Limits
    from imgfetch.workflow.fsck import Damage
    from imgfetch.workflow.obtain import Policy

# As `subprocess` has it.
_NOTHING = -3


class ChildVerbs(ImageVerbs, StoreVerbs, ArchiveVerbs):
    """The part of `Client` that leaves to a child what a program's own process can't do.

    Attributes:
        _progress: the client's callback.
        _python: path of the interpreter for children; None for this program's.
    """

    _progress: Callable[[Event], object] | None
    _python: str | None

    def pull(
        self,
        image: ImageLike,
        *,
        platforms: Iterable[str] = (),
        all_platforms: bool = False,
        policy: Policy = "always",
        unpack: bool = False,
    ) -> list[PinnedImage]:
        """Fetch, verify, store and name an image.

        Args:
            image: an image name.
            platforms: those wanted; empty for this machine's.
            all_platforms: all there are.
            policy: when to ask the registry.
            unpack: whether layers that are fetched are unpacked meanwhile; `prepare` unpacks
                what was here already.

        Returns:
            One entry for each platform.
        """
        arguments: dict[str, Any] = {
            "platforms": tuple(platforms),
            "all_platforms": all_platforms,
            "policy": policy,
        }
        if not unpack:
            return super().pull(image, **arguments)
        pulled: list[PinnedImage] = self._do("pull", image=str(image), unpack=True, **arguments)
        return pulled

    def prepare(self, images: Iterable[PinnedImage]) -> None:
        """Unpack images' layers, so that runs of them start at once.

        Args:
            images: what `pull` returned.
        """
        self._do("prepare", images=tuple(images))

    def unpack(
        self,
        image: ImageLike,
        directory: str,
        *,
        unpacking: Unpacking | None = None,
        platform: str | None = None,
        policy: Policy = "missing",
    ) -> None:
        """An OCI bundle in a directory, as ``umoci unpack`` makes it.

        Args:
            image: an image name.
            directory: absent or empty.
            unpacking: how.
            platform: see `resolve`.
            policy: when to ask the registry.
        """
        self._do(
            "unpack",
            name=str(image),
            directory=directory,
            unpacking=unpacking,
            platform=platform,
            policy=policy,
        )

    def export(
        self,
        name: str,
        target: str | int,
        exporting: Exporting | None = None,
        *,
        platform: str | None = None,
        policy: Policy = "missing",
    ) -> None:
        """Write an image's root filesystem to a file, with the owners of the image.

        Args:
            name: an image name.
            target: a path; for a tar also a descriptor to write to.
            exporting: how.
            platform: see `resolve`.
            policy: when to ask the registry.
        """
        if exporting is None or exporting.form != "erofs":
            super().export(name, target, exporting, platform=platform, policy=policy)
            return
        self._do(
            "export",
            name=name,
            target=target,
            exporting=exporting,
            platform=platform,
            policy=policy,
        )

    # What an ordinary user needs namespaces for

    def discard(self, names: list[str], *, force: bool = False) -> Iterator[str]:
        """Remove containers that have ended, with all they have written.

        Args:
            names: the containers.
            force: kill those that run.

        Returns:
            The names.

        Raises:
            StoreError: one runs, or is not there.
        """
        return iter(self._do("discard", names=list(names), force=force))

    def collect(self) -> Pruned:
        """Free what no name leads to: blobs, and layers unpacked for runs.

        Returns:
            What was freed; nothing where pulls are under way, which may be about to name
            what has no name yet.
        """
        freed: Pruned = self._do("collect")
        return freed

    def prune(self, limits: Limits | None = None, *, dry_run: bool = False) -> Pruned:
        """Take away names that were not used for long, and free what no name leads to.

        Args:
            limits: what is to be kept; all names by default.
            dry_run: only tell what would be freed.
        """
        freed: Pruned = self._do("prune", limits=limits, dry_run=dry_run)
        return freed

    def check(self, *, repair: bool = False) -> list[Damage]:
        """Look for damage in the store, every blob hashed again.

        Args:
            repair: set damaged content aside and fetch it again where that is possible.
        """
        found: list[Damage] = self._do("check", repair=repair)
        return found

    def doctor(self, registries: Iterable[str] = (), *, known: Iterable[Finding] = ()) -> Diagnosis:
        """Find out what works on this machine, with this store; runs a container to see.

        Args:
            registries: to be asked; those of images in the store by default.
            known: what was found before.
        """
        found: Diagnosis = self._do("doctor", registries=tuple(registries), known=tuple(known))
        return found

    # Children

    def _do(self, verb: str, **arguments: Any) -> Any:  # noqa: ANN401 - what the verb returns
        """Have a verb of `imgfetch.client.Client` done in a child, and give what it returned."""
        call = self._call(verb, arguments, (_NOTHING, _NOTHING, _NOTHING))
        try:
            return call.result()
        except BaseException:
            call.abandon()
            call.wait_for_end()
            raise

    def _call(
        self,
        verb: str,
        arguments: dict[str, Any],
        streams: tuple[Stream, Stream, Stream],
        **text: Any,
    ) -> Call:
        from imgfetch.library.call import Call  # and subprocess with it

        return Call(
            self._collaborators.settings,
            verb,
            arguments,
            python=find_interpreter(self._python),
            progress=self._progress,
            streams=streams,
            **text,
        )
