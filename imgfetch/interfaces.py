"""The seams between the rooms: the page to read first.

The data flows one way::

    name -> source -> Unverified -> store -> image -> layers applied -> snapshot
         -> mounted root -> bundle -> runtime -> exit status

A `Source` gives content that is `imgfetch.oci.unverified.Unverified`: nobody can read it.
A `ContentStore` takes it, checks it, and only what the store gives back is parsed, applied
or run. All collaborators are passed as these Protocols; `imgfetch.client` puts them together.
"""

from __future__ import annotations

from imgfetch.lean.dataclasses import dataclass
from imgfetch.lean.typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.digest import Digest
    from imgfetch.oci.image import Layer
    from imgfetch.oci.unverified import Unverified


class Source(Protocol):
    """Where one image comes from: a repository, a layout, an archive.

    Attributes:
        name: for people and errors; no secret in it.
    """

    name: str

    def resolve(self) -> Unverified:
        """The image's topmost document: a manifest or an index.

        The descriptor's digest is what the name asked for, or was computed from
        the raw bytes received, never what a header claims.

        Raises:
            NotFoundError: not there, or no access.
            RegistryError: the registry answered with an error.
            NetworkError: no answer.
            NotInStoreError: a layout or an archive without it.
        """
        ...

    def fetch(self, descriptor: Descriptor) -> Unverified:
        """Some content that a verified document names.

        Nothing is transferred before ``chunks`` is called. Errors are raised there,
        as in `resolve`.
        """
        ...

    def close(self) -> None:
        """Give connections and files back."""
        ...


Stage = Literal[
    "waiting", "fetching", "present", "done", "applying", "applied", "mounted", "pushing", "pushed"
]


class Progress(Protocol):
    """Told how far the work has come; called from several threads at once."""

    def update(self, descriptor: Descriptor, stage: Stage, done: int) -> None:
        """``done`` bytes of a descriptor's ``size`` are through this stage."""
        ...

    def warn(self, message: str) -> None:
        """Something that a person should know and that does not stop the work."""
        ...


class NoProgress:
    """Progress for those who don't want to know."""

    def update(self, descriptor: Descriptor, stage: Stage, done: int) -> None:
        """Say nothing."""

    def warn(self, message: str) -> None:
        """Say nothing."""


class BlobReader(Protocol):
    """Verified blobs to be read: what unpacking layers takes of a store."""

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """A blob, unbuffered, at its start.

        Raises:
            NotInStoreError: not there.
            StoreCorruptError: there, but not a plain file of that size.
        """
        ...

    def discard(self, digest: Digest) -> None:
        """Forget content that turned out to be damaged, so that it is ingested again.

        What is open stays readable. What is not there is no error.

        Raises:
            StoreError: the store can't be written.
        """
        ...


class ContentStore(BlobReader, Protocol):
    """Verified content by digest. Safe for many threads and processes at once."""

    def contains(self, descriptor: Descriptor) -> bool:
        """Whether the content is there, by name and size."""
        ...

    def find(self, digest: Digest) -> Descriptor | None:
        """The size of what is there by a digest; its media type is "" (not known)."""
        ...

    def require_space(self, descriptors: Iterable[Descriptor]) -> None:
        """Refuse to begin with what can't fit, of what is not there yet.

        Raises:
            NoSpaceError: names the bytes needed and those free.
        """
        ...

    def ingest(self, content: Unverified, progress: Progress) -> None:
        """Verify content and keep it; it shows up whole or not at all.

        What is there already is not transferred again.

        Raises:
            DigestMismatchError: other bytes than promised.
            SizeMismatchError: more or fewer bytes than promised.
            NoSpaceError: no space or inodes left.
            StoreError: the store can't be written.
        """
        ...

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        """A document's bytes, verified again.

        Raises:
            NotInStoreError: not there.
            StoreCorruptError: there, but no longer what its name says.
            DocumentError: longer than ``limit`` bytes.
        """
        ...


class ReferenceStore(Protocol):
    """Names of images: the ``manifests`` of a layout's ``index.json``."""

    def lookup(self, name: str) -> Descriptor | None:
        """What a name stands for."""
        ...

    def announced(self, digest: Digest) -> Descriptor | None:
        """What the first entry for a digest says of it, whatever its name."""
        ...

    def tag(self, name: str, descriptor: Descriptor) -> None:
        """Let a name stand for something; it may have stood for something else.

        Raises:
            StoreError: ``index.json`` can't be read or written.
        """
        ...

    def untag(self, name: str) -> Descriptor | None:
        """Forget a name.

        Returns:
            What it stood for; None when there was no such name.
        """
        ...

    def entries(self) -> list[tuple[str | None, Descriptor]]:
        """All names, in the order of ``index.json``; None for entries without one."""
        ...


@dataclass(frozen=True, slots=True)
class LayerStats:
    """What applying a layer did.

    Attributes:
        entries: tar entries, whiteouts included.
        size: bytes of the uncompressed stream.
        skipped_devices: device nodes that could not be made here.
        dropped_xattrs: names of extended attributes left out.
        unmapped_owners: entries whose owner has no id here.
        describes_root: whether there was an entry for the root directory itself.
        compression: of the blob: gzip, zstd, xz, bzip2 or none.
    """

    entries: int
    size: int
    skipped_devices: int = 0
    dropped_xattrs: tuple[str, ...] = ()
    unmapped_owners: int = 0
    describes_root: bool = False
    compression: str = "none"


@dataclass(frozen=True, slots=True)
class LayerDiff:
    """A layer made an upper directory of overlayfs by itself.

    Attributes:
        stats: see `LayerStats`.
        whiteouts: paths of the devices that hide names of the layers below. Where there is
            no such name, the device has to go: overlayfs would show it.
        opaques: paths of the directories that hide those of the layers below.
    """

    stats: LayerStats
    whiteouts: tuple[bytes, ...] = ()
    opaques: tuple[bytes, ...] = ()


class LayerApplier(Protocol):
    """Applies one layer to a directory tree."""

    def apply(self, blob: BinaryIO, layer: Layer, root: int) -> LayerStats:
        """Apply a layer onto what is below ``root``, a directory's descriptor.

        The stream is read to its end and its digest compared with the diffID. After
        an error the tree is half-done: it has to be a staging directory.

        Raises:
            MalformedLayerError: not a well-formed archive.
            UnsafeLayerError: an entry with no safe meaning.
            LayerLimitError: beyond the limits.
            DiffIDMismatchError: another stream than the config promises.
            NoSpaceError: no space or inodes left.
        """
        ...

    def diff(self, blob: BinaryIO, layer: Layer, root: int, *, opaque: str) -> LayerDiff | None:
        """Make a layer an upper directory of overlayfs, without those below it.

        Args:
            blob: as in `apply`.
            layer: as in `apply`.
            root: an empty directory's descriptor.
            opaque: name of the extended attribute that marks opaque directories.

        Returns:
            None when what the layer means depends on those below it (a parent directory, the
            target of a hard link), or when it is broken: it has to be applied on top of
            them. The directory is half-done then.

        Raises:
            DiffIDMismatchError: another stream than the config promises.
            NoSpaceError: no space or inodes left.
        """
        ...


class Snapshotter(Protocol):
    """Turns layers into root filesystems, and keeps what it has unpacked."""

    def prepare(self, layers: Sequence[Layer]) -> None:
        """Unpack what is not unpacked yet; all of it is complete or absent."""
        ...

    def mount(self, layers: Sequence[Layer], directory: Path) -> Path:
        """A root filesystem of one's own over unpacked layers.

        Args:
            layers: prepared before.
            directory: an empty directory for what this root needs of its own;
                removing it (after the mount is gone) removes all that was written.

        Returns:
            The root filesystem's path.
        """
        ...

    def unmount(self, directory: Path) -> None:
        """Take away what `mount` has mounted, so that the directory can be removed."""
        ...


class Ending(Protocol):
    """How a container ended."""

    @property
    def status(self) -> int:
        """Its exit status, 128+n after signal n."""
        ...

    @property
    def timed_out(self) -> bool:
        """Whether it was stopped because its time was over."""
        ...

    @property
    def oom_kills(self) -> int:
        """How many of its processes the kernel has killed for want of memory."""
        ...


class Runtime(Protocol):
    """An OCI runtime (runc and those that take its command line)."""

    def supervise(self, container_id: str, bundle: Path) -> Ending:
        """As `run`, and tell more about the end."""
        ...

    def run(self, container_id: str, bundle: Path) -> int:
        """Run a bundle in the foreground and pass stdio and signals through.

        Returns:
            The container's exit status, 128+n after signal n.

        Raises:
            RuntimeMissingError: no runtime.
            RuntimeFailedError: it failed before the container's process ran.
        """
        ...
