"""The verbs of a client that look into images: what layers carry, what images differ in."""

from __future__ import annotations

from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgfetch.client.collaborators import Collaborators
    from imgfetch.client.image_verbs import ImageLike
    from imgfetch.workflow.diff import ImageDiff
    from imgfetch.workflow.obtain import Policy
    from imgfetch.workflow.tree import ImageTree


class ContentVerbs:
    """The part of `Client` that is about what is in images.

    Attributes:
        _collaborators: the client's.
    """

    _collaborators: Collaborators

    def tree(
        self, image: ImageLike, *, platform: str | None = None, policy: Policy = "missing"
    ) -> ImageTree:
        """Where an image's bytes are: its layers are read, nothing is unpacked.

        Args:
            image: an image name.
            platform: ``os/architecture[/variant]``; None for this machine's.
            policy: when to ask the registry.
        """
        from imgfetch.client.archives import obtain_named
        from imgfetch.workflow.tree import account

        with_ = self._collaborators
        name = str(image)
        with with_.store.lease():
            obtained, _ = obtain_named(with_, name, (with_.platform(platform),), policy)
            return account(name, obtained.images[0], with_.store)

    def diff(
        self,
        before: ImageLike,
        after: ImageLike,
        *,
        times: bool = False,
        platform: str | None = None,
        policy: Policy = "missing",
    ) -> ImageDiff:
        """What is different between two images.

        Args:
            before: an image name.
            after: another one.
            times: whether another time makes a path different.
            platform: of both, see `tree`.
            policy: when to ask the registry.
        """
        from imgfetch.client.archives import obtain_named
        from imgfetch.workflow.diff import compare_images

        with_ = self._collaborators
        chosen = (with_.platform(platform),)
        with with_.store.lease():
            old, new = (
                (name, obtain_named(with_, name, chosen, policy)[0].images[0])
                for name in (str(before), str(after))
            )
            return compare_images(old, new, with_.store, times=times)
