"""The verbs of a client that write files and read them: archives and root filesystems."""

from __future__ import annotations

from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgfetch.client.archives import Exporting, Saving
    from imgfetch.client.collaborators import Collaborators
    from imgfetch.client.image_verbs import PinnedImage
    from imgfetch.workflow.obtain import Policy


class ArchiveVerbs:
    """The part of `Client` that is about archives.

    Attributes:
        _collaborators: the client's.
    """

    _collaborators: Collaborators

    def save(
        self,
        names: Sequence[str],
        target: str | int,
        saving: Saving | None = None,
        *,
        policy: Policy = "missing",
    ) -> None:
        """Write images to an archive or a directory; the same images give the same bytes.

        Args:
            names: image names.
            target: a path, or a descriptor to write to.
            saving: how.
            policy: when to ask the registry.
        """
        from imgfetch.client import archives

        archives.save(
            self._collaborators, names, target, saving or archives.Saving(), policy=policy
        )

    def load(self, source: str | int, *, force: bool = False) -> list[PinnedImage]:
        """Take all images of an archive or a directory into the store, and name them.

        Args:
            source: a path, or a descriptor to read from.
            force: whether names that stand for something else may be moved.

        Returns:
            One entry for each repository and platform.
        """
        from imgfetch.client import archives
        from imgfetch.client.image_verbs import PinnedImage

        loaded = archives.load(self._collaborators, source, force=force)
        pinned = [
            PinnedImage(
                str(reference.repository), image.descriptor.digest, str(image.config.platform)
            )
            for one in loaded
            for reference in one.references
            for image in one.images
        ]
        return list(dict.fromkeys(pinned))

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

        For an erofs, takes this process into namespaces of its own, as `run` does.

        Args:
            name: an image name.
            target: a path; for a tar also a descriptor to write to.
            exporting: how.
            platform: see `resolve`.
            policy: when to ask the registry.
        """
        from imgfetch.client import archives

        archives.export(
            self._collaborators,
            name,
            target,
            exporting or archives.Exporting(),
            platform=platform,
            policy=policy,
        )

    def extract(
        self,
        name: str,
        paths: Sequence[str],
        target: str | int,
        *,
        follow: bool = False,
        platform: str | None = None,
        policy: Policy = "missing",
    ) -> None:
        """Take single paths out of an image, with all that is below them.

        Args:
            name: an image name.
            paths: in the image; links on the way are followed.
            target: a directory to make files in, or a descriptor to write a tar to.
            follow: whether links at the paths' ends are followed.
            platform: see `resolve`.
            policy: when to ask the registry.
        """
        from imgfetch.client import archives

        archives.extract(
            self._collaborators,
            name,
            paths,
            target,
            follow=follow,
            platform=platform,
            policy=policy,
        )
