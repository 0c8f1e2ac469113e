"""The verbs of a client that are about single images, and what they give: `PinnedImage`."""

from __future__ import annotations

from imgfetch.client.naming import stored_reference
from imgfetch.lean.dataclasses import dataclass
from imgfetch.lean.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    from imgfetch.client.collaborators import Collaborators
    from imgfetch.oci.digest import Digest
    from imgfetch.oci.image import Image
    from imgfetch.oci.reference import Reference
    from imgfetch.workflow.obtain import Policy

    # Whatever it is, its text is an image name.
    ImageLike: TypeAlias = "str | Reference | PinnedImage"


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


class ImageVerbs:
    """The part of `Client` that is about single images.

    Attributes:
        _collaborators: the client's.
    """

    _collaborators: Collaborators

    def resolve(
        self, image: ImageLike, *, platform: str | None = None, index: bool = False
    ) -> PinnedImage:
        """What a name stands for: nothing is stored.

        Args:
            image: an image name.
            platform: ``os/architecture[/variant]``; None for this machine's.
            index: stop at the index, if there is one.
        """
        from imgfetch.client.looking import documents_of
        from imgfetch.workflow.resolve import select_image

        parsed = self._collaborators.parse(str(image))
        with documents_of(self._collaborators, parsed, stored_first=False) as documents:
            top = documents.top()
            reference = stored_reference(parsed, top)
            if index:
                return PinnedImage(str(reference.repository), top.digest)
            wanted = self._collaborators.platform(platform)
            return _pinned(reference, select_image(documents, top, wanted, str(image)))

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
            unpack: whether layers that are fetched are unpacked meanwhile, in a process of
                its own; `prepare` unpacks what was here already.

        Returns:
            One entry for each platform.
        """
        alongside = None
        if unpack:
            from imgfetch.client.containers import unpacking_alongside

            alongside = unpacking_alongside(self._collaborators)
        parsed = self._collaborators.parse(str(image))
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

    def inspect(self, image: ImageLike, *, platform: str | None = None) -> dict[str, Any]:
        """An image's documents: from the store, else from its source, storing nothing."""
        from imgfetch.client.looking import documents_of
        from imgfetch.workflow.images import describe
        from imgfetch.workflow.resolve import select_image

        parsed = self._collaborators.parse(str(image))
        with documents_of(self._collaborators, parsed, stored_first=True) as documents:
            top = documents.top()
            wanted = self._collaborators.platform(platform)
            return describe(str(parsed), top, select_image(documents, top, wanted, str(image)))

    def history(self, image: ImageLike, *, platform: str | None = None) -> list[dict[str, Any]]:
        """How an image was made: its steps, lowest layer first; found as `inspect` does."""
        from imgfetch.client import housekeeping

        return housekeeping.history(self._collaborators, str(image), platform)


def _pinned(reference: Reference, image: Image) -> PinnedImage:
    repository = str(reference.repository)
    return PinnedImage(repository, image.descriptor.digest, str(image.config.platform))
