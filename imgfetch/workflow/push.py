"""An image to a repository: distribution-spec "Push".

Blobs go first, then the manifests that name them, then indexes, so that whoever reads the
repository meanwhile finds nothing that leads nowhere; the tag comes last. What is there is
not sent, what the registry has elsewhere is mounted. Documents go as the bytes they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from imgfetch.errors import (
    DocumentError,
    NotFoundError,
    NotInStoreError,
    RateLimitError,
    RegistryError,
)
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.manifest import Index, Manifest
from imgfetch.workflow.parallel import for_each
from imgfetch.workflow.pull import DEFAULT_JOBS
from imgfetch.workflow.resolve import DEPTH_LIMIT, select_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import BinaryIO

    from imgfetch.interfaces import Progress
    from imgfetch.oci.digest import Digest
    from imgfetch.oci.platform import Platform
    from imgfetch.workflow.resolve import Documents

# A signature of a bill of materials of an image is the second; nobody has seen a fourth.
_REFERRERS_DEPTH = 4


class Destination(Protocol):
    """A repository that is pushed to; safe for many threads."""

    def has(self, descriptor: Descriptor) -> bool:
        """Whether a blob or a manifest is there."""
        ...

    def tagged(self, tag: str) -> Digest | None:
        """What a tag is said to stand for."""
        ...

    def lists(self, subject: Digest, referrer: Digest) -> bool:
        """Whether a manifest is in the list of what refers to another one."""
        ...

    def mount(self, descriptor: Descriptor, repository: str) -> bool:
        """Take a blob over from another repository of the registry; whether that worked."""
        ...

    def push(self, descriptor: Descriptor, open_blob: Callable[[], BinaryIO]) -> None:
        """Send a blob."""
        ...

    def push_manifest(
        self, document: Manifest | Index, descriptor: Descriptor, tag: str | None = None
    ) -> None:
        """Send a manifest or an index whose content is there."""
        ...


@dataclass(frozen=True, slots=True)
class Origin:
    """Where what is pushed comes from.

    Attributes:
        documents: its manifests and indexes.
        open_blob: opens a blob, verified as it is read.
        elsewhere: a repository of the destination's registry that may have a blob.
        referrers: what refers to a manifest, as far as the origin knows.
    """

    documents: Documents
    open_blob: Callable[[Descriptor], BinaryIO]
    elsewhere: Callable[[Descriptor], str | None] = lambda _: None
    referrers: Callable[[Digest], Sequence[Descriptor]] = lambda _: ()


def choose(
    documents: Documents, top: Descriptor, platform: Platform | None, default: Platform, name: str
) -> Descriptor:
    """What is to be pushed of an image when not all its platforms are.

    Args:
        documents: the image's documents.
        top: what its name stands for.
        platform: the one asked for; None for none in particular: then an image for one
            platform is that, whatever it is for, and no container image needs to be one.
        default: chosen from several.
        name: for errors.

    Raises:
        PlatformError: nothing for the platform.
    """
    document = documents.manifest(top)
    if isinstance(document, Manifest) and platform is None:
        return top
    return select_image(documents, top, platform or default, name).descriptor


class Pusher:
    """Pushes images from one origin to one destination.

    Args:
        origin: where from.
        destination: where to.
        progress: told about each blob.
        jobs: how many blobs are sent at once.
        leave_out: which entries of indexes are not pushed.

    Attributes:
        left_out: the entries that were not.
        sent: what was not there, or not under the tag.
    """

    def __init__(
        self,
        origin: Origin,
        destination: Destination,
        progress: Progress,
        *,
        jobs: int = DEFAULT_JOBS,
        leave_out: Callable[[Descriptor], bool] = lambda _: False,
    ) -> None:
        self.left_out: set[Digest] = set()
        self.sent: set[Digest] = set()
        self._leave_out = leave_out
        self._origin = origin
        self._destination = destination
        self._progress = progress
        self._jobs = jobs

    def push(self, top: Descriptor, tag: str | None, *, referrers: bool = False) -> None:
        """Push a manifest or an index with everything that it names.

        Args:
            top: what to push.
            tag: the tag that it gets; by digest alone without.
            referrers: push what refers to any of it, too.

        Raises:
            NotInStoreError: something of it is not in the store.
            ImgfetchError: what the origin or the destination object to.
        """

        def is_known() -> bool:
            return tag is None or self._destination.tagged(tag) == top.digest

        found = self._push(top, is_known, tag)
        if referrers:
            self._push_referrers(found, set(found), _REFERRERS_DEPTH)

    def _push(
        self, top: Descriptor, is_known: Callable[[], bool], tag: str | None = None
    ) -> list[Digest]:
        """Push what is not there.

        Args:
            top: what to push.
            is_known: tells whether what leads to ``top`` is there, if that is.
            tag: that it gets.

        Returns:
            All documents that belong to it.
        """
        documents: dict[Digest, tuple[Descriptor, Manifest | Index]] = {}
        self._collect(top, documents, DEPTH_LIMIT)
        # A manifest was taken only with its blobs there. An index may have gaps: all below
        # it is looked for, too.
        absent = [one for one in documents.values() if not self._destination.has(one[0])]
        self._push_blobs(document for _, document in absent if isinstance(document, Manifest))
        if all(descriptor.digest != top.digest for descriptor, _ in absent) and not is_known():
            absent.append(documents[top.digest])
        for descriptor, document in absent:
            own = tag if descriptor.digest == top.digest else None
            self._destination.push_manifest(document, descriptor, own)
            self.sent.add(descriptor.digest)
        return list(documents)

    def _collect(
        self,
        descriptor: Descriptor,
        found: dict[Digest, tuple[Descriptor, Manifest | Index]],
        depth: int,
    ) -> None:
        """Find all documents below one, each behind those that it names."""
        if descriptor.digest in found:
            return
        if depth == 0:
            message = f"index {descriptor.digest}: indexes nested too deeply"
            raise DocumentError(message, expected=f"at most {DEPTH_LIMIT} levels")
        document = self._origin.documents.manifest(descriptor)
        if isinstance(document, Index):
            for entry in document.manifests:
                if self._leave_out(entry):
                    self.left_out.add(entry.digest)
                else:
                    self._collect(entry, found, depth - 1)
        own = Descriptor(document.media_type, descriptor.digest, descriptor.size)
        found[own.digest] = (own, document)

    def _push_blobs(self, manifests: Iterable[Manifest]) -> None:
        blobs = {
            blob.digest: blob
            for manifest in manifests
            for blob in (manifest.config, *manifest.layers)
        }
        for_each(list(blobs.values()), self._push_blob, self._progress, self._jobs)

    def _push_blob(self, blob: Descriptor, progress: Progress) -> None:
        # A config or a layer that calls itself a manifest is a blob all the same.
        blob = Descriptor(_as_blob(blob.media_type), blob.digest, blob.size)
        if self._destination.has(blob):
            progress.update(blob, "present", blob.size)
            return
        repository = self._origin.elsewhere(blob)
        if repository is not None and self._mount(blob, repository):
            progress.update(blob, "mounted", blob.size)
            return
        if mediatype.is_nondistributable(blob.media_type) and not self._is_available(blob):
            progress.warn(f"{blob.digest} may be had from its maker only, and is not pushed")
            return
        progress.update(blob, "pushing", 0)
        self._destination.push(blob, lambda: self._origin.open_blob(blob))
        progress.update(blob, "pushed", blob.size)

    def _mount(self, blob: Descriptor, repository: str) -> bool:
        try:
            return self._destination.mount(blob, repository)
        except RateLimitError:
            raise
        except RegistryError:
            # Whoever may push here need not be allowed to read there.
            return False

    def _is_available(self, blob: Descriptor) -> bool:
        try:
            with self._origin.open_blob(blob) as file:
                file.read(1)
        except (NotFoundError, NotInStoreError):
            return False
        return True

    def _push_referrers(self, subjects: Iterable[Digest], seen: set[Digest], depth: int) -> None:
        if depth == 0:
            return
        for subject in subjects:
            for referrer in self._origin.referrers(subject):
                if referrer.digest not in seen:
                    known = partial(self._destination.lists, subject, referrer.digest)
                    found = self._push(referrer, known)
                    seen.update(found)
                    self._push_referrers(found, seen, depth - 1)


class Untouched:
    """A destination that is asked what is there, and sent nothing.

    Args:
        destination: that one.
    """

    def __init__(self, destination: Destination) -> None:
        self.has = destination.has
        self.tagged = destination.tagged
        self.lists = destination.lists

    def mount(self, *_: object, **__: object) -> bool:
        """See `Destination`."""
        return False

    def push(self, *_: object, **__: object) -> None:
        """See `Destination`."""

    def push_manifest(self, *_: object, **__: object) -> None:
        """See `Destination`."""


def _as_blob(media_type: str) -> str:
    documents = mediatype.INDEXES | mediatype.MANIFESTS
    return "application/octet-stream" if media_type in documents else media_type
