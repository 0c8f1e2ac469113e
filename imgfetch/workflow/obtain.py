"""An image at hand: from the store if the policy allows it, else from its source.

Everything that needs an image starts here: pull, unpack, run. The policy decides
whether the network is asked at all; a name pinned by digest never needs to be asked
for again once it is here.
"""

from __future__ import annotations

from imgfetch.errors import NetworkError, NotInStoreError, RegistryError
from imgfetch.lean.contextlib import nullcontext
from imgfetch.lean.dataclasses import dataclass
from imgfetch.lean.typing import TYPE_CHECKING, Literal
from imgfetch.workflow.resolve import Documents, all_images, select_image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from imgfetch.interfaces import ContentStore, Progress, Source
    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.image import Image
    from imgfetch.oci.platform import Platform

    Alongside = Callable[[Sequence[Image]], AbstractContextManager[Progress]]

Policy = Literal["missing", "always", "newer", "never"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for.

    Attributes:
        name: for people and errors.
        platforms: those wanted; None for all that there are.
        policy: when to ask the source.
        pinned: whether the name is a digest's, so that it can't move.
    """

    name: str
    platforms: tuple[Platform, ...] | None
    policy: Policy
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Obtained:
    """What was found.

    Attributes:
        top: what the name stands for: an index or a manifest.
        images: one for each platform wanted, in that order.
    """

    top: Descriptor
    images: tuple[Image, ...]


class Obtainer:
    """Finds images in the store and at their sources.

    Args:
        store: where content ends up.
        progress: told about each transfer.
        is_complete: whether an image whose documents are here can be used as it is.
        jobs: how many blobs are fetched at once.
        alongside: entered with the images whose layers are about to be fetched; gives the
            progress to tell meanwhile.
    """

    def __init__(
        self,
        store: ContentStore,
        progress: Progress,
        *,
        is_complete: Callable[[Image], bool],
        jobs: int,
        alongside: Alongside | None = None,
    ) -> None:
        self._store = store
        self._alongside = alongside
        self._progress = progress
        self._is_complete = is_complete
        self._jobs = jobs

    def obtain(
        self, wanted: Wanted, stored: Source | None, remote: Callable[[], Source] | None
    ) -> Obtained:
        """Find an image, and fetch what is missing of it.

        Args:
            wanted: what is asked for.
            stored: the store as a source; None for images that are elsewhere.
            remote: opens the image's source; None when there is none (offline).

        Raises:
            NotInStoreError: not in the store, and nowhere else to look.
            ImgfetchError: whatever the source, the documents or the store object to.
        """
        local_first = wanted.policy in {"missing", "never"} or wanted.pinned or remote is None
        missing: NotInStoreError | None = None
        if stored is not None and local_first:
            try:
                return self._stored(wanted, stored)
            except NotInStoreError as error:
                missing = error
        if remote is None or wanted.policy == "never":
            if missing is None:
                message = f"{wanted.name} is not in the store"
                hint = "images of layouts and archives are never: leave --pull never out"
                raise NotInStoreError(message, hint=hint)
            raise missing
        try:
            return self._remote(wanted, remote())
        except (NetworkError, RegistryError) as error:
            if wanted.policy != "newer" or stored is None:
                raise
            return self._fall_back(wanted, stored, error)

    def _stored(self, wanted: Wanted, stored: Source) -> Obtained:
        obtained = self._documents(wanted, stored)
        for image in obtained.images:
            if not self._is_complete(image):
                number, layer = next(
                    (number, layer)
                    for number, layer in enumerate(image.manifest.layers, 1)
                    if not self._store.contains(layer)
                )
                message = (
                    f"{wanted.name}: layer {number} of {len(image.layers)} "
                    f"({layer.digest}, {layer.size} bytes) is not in the store"
                )
                hint = f"fetch it with: imgfetch pull {wanted.name}"
                raise NotInStoreError(message, hint=hint)
        return obtained

    def _remote(self, wanted: Wanted, source: Source) -> Obtained:
        from imgfetch.workflow.pull import fetch_all  # most images are here

        try:
            obtained = self._documents(wanted, source)
            incomplete = [image for image in obtained.images if not self._is_complete(image)]
            layers = [layer for image in incomplete for layer in image.manifest.layers]
            with self._doing_alongside(incomplete) as progress:
                fetch_all(
                    layers, source=source, store=self._store, progress=progress, jobs=self._jobs
                )
        finally:
            source.close()
        return obtained

    def _doing_alongside(self, images: Sequence[Image]) -> AbstractContextManager[Progress]:
        if self._alongside is None or not images:
            return nullcontext(self._progress)
        return self._alongside(images)

    def _fall_back(
        self, wanted: Wanted, stored: Source, error: NetworkError | RegistryError
    ) -> Obtained:
        try:
            obtained = self._stored(wanted, stored)
        except NotInStoreError:
            raise error from None
        self._progress.warn(f"{error.message}; using what is in the store")
        return obtained

    def _documents(self, wanted: Wanted, source: Source) -> Obtained:
        documents = Documents(source, self._store, self._progress)
        top = documents.top()
        images: Sequence[Image]
        if wanted.platforms is None:
            images = all_images(documents, top)
        else:
            images = [
                select_image(documents, top, platform, wanted.name) for platform in wanted.platforms
            ]
        return Obtained(top, tuple(images))
