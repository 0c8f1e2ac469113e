"""Applying one layer of an image to a directory, and telling how it went."""

from __future__ import annotations

import os

from imgfetch.errors import (
    ContentError,
    LayerError,
    StoreCorruptError,
    StoreError,
    VerificationError,
)
from imgfetch.interfaces import LayerDiff, LayerStats, NoProgress
from imgfetch.lean.contextlib import contextmanager, suppress
from imgfetch.lean.dataclasses import dataclass, replace
from imgfetch.lean.functools import partial
from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.oci.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from typing import Any, BinaryIO

    from imgfetch.interfaces import BlobReader, LayerApplier, Progress
    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.image import Layer

_PIECE = 1 << 20
_NAMES_SHOWN = 3
# image-spec has gzip and zstd; docker and podman happen to read these as well, others do not.
_OUTSIDE_THE_SPECIFICATION = frozenset({"xz", "bzip2"})


@dataclass(frozen=True, slots=True)
class Unpacker:
    """Takes layers out of a content store.

    Attributes:
        content: where the layers' blobs are.
        applier: reads and applies them.
        progress: told how far the work has come.
        side_by_side: whether layers may be applied in processes of their own, and put
            together afterwards: this one has to be single-threaded, and able to write to
            directories whatever their permissions are.
    """

    content: BlobReader
    applier: LayerApplier
    progress: Progress
    side_by_side: bool = True

    def apply(self, layer: Layer, tree: str) -> LayerStats:
        """Apply a layer to the tree below a directory.

        Raises:
            LayerError: see `LayerApplier.apply`.
            NotInStoreError: the blob is not in the store.
            StoreCorruptError: the blob is damaged, and was discarded.
        """
        self.progress.update(layer.descriptor, "applying", 0)
        with self._opened(layer, tree) as (blob, root):
            stats = self.applier.apply(blob, layer, root)
        self._tell_of(layer, stats)
        return stats

    def diff(self, layer: Layer, tree: str, *, opaque: str) -> LayerDiff | None:
        """Make a layer an upper directory by itself; progress is not told.

        Raises:
            LayerError: see `LayerApplier.diff`, which says what None means, too.
            NotInStoreError: the blob is not in the store.
            StoreCorruptError: the blob is damaged, and was discarded.
        """
        with self._opened(layer, tree) as (blob, root):
            return self.applier.diff(blob, layer, root, opaque=opaque)

    def diffs(
        self, layers: Sequence[Layer], trees: Sequence[str], *, opaque: str, lowest: bool
    ) -> list[LayerDiff | None]:
        """Make each of some layers an upper directory, several at a time.

        Args:
            layers: lowest first.
            trees: an empty directory for each.
            opaque: see `LayerApplier.diff`.
            lowest: whether there is nothing below the first one, so that it is complete
                whatever is in it.

        Returns:
            For each layer what was done; None for one that depends on those below it.

        Raises:
            ImgfetchError: as `apply` and `diff`.
        """

        def task(number: int) -> dict[str, Any] | None:
            if lowest and number == 0:
                quiet = replace(self, progress=NoProgress())
                return _as_json(LayerDiff(quiet.apply(layers[number], trees[number])))
            return _as_json(self.diff(layers[number], trees[number], opaque=opaque))

        for layer in layers:
            self.progress.update(layer.descriptor, "applying", 0)
        if len(layers) == 1:
            outcomes: Iterable[tuple[int, dict[str, Any] | None]] = ((0, task(0)),)
        else:
            from imgfetch.snapshot.workers import results

            # One more than processors: the last layers would leave one of those idle.
            limit = len(os.sched_getaffinity(0)) + 1
            outcomes = results([partial(task, n) for n in range(len(layers))], limit)
        done: list[LayerDiff | None] = [None] * len(layers)
        for number, outcome in outcomes:
            done[number] = diff = _from_json(outcome)
            if diff is not None:
                self._tell_of(layers[number], diff.stats)
        return done

    def _tell_of(self, layer: Layer, stats: LayerStats) -> None:
        """Say that a layer is applied, and what is odd about it as it is stored."""
        descriptor = layer.descriptor
        self.progress.update(descriptor, "applied", descriptor.size)
        if stats.compression in _OUTSIDE_THE_SPECIFICATION:
            refused = "which not all tools read: images have gzip or zstd"
            self.progress.warn(
                f"layer {descriptor.digest} is compressed with {stats.compression}, {refused}"
            )

    @contextmanager
    def _opened(self, layer: Layer, tree: str) -> Generator[tuple[BinaryIO, int]]:
        root = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            with self.content.open(layer.descriptor) as blob:
                yield blob, root
        except (LayerError, VerificationError, ContentError) as error:
            self._blame_the_store(layer.descriptor, error)
            raise
        finally:
            os.close(root)

    def _blame_the_store(self, descriptor: Descriptor, error: Exception) -> None:
        """Tell a damaged blob from an image that was made wrong.

        Blobs are verified when they arrive and not on every use: a disk may have changed one.
        """
        verifier = Verifier(descriptor)
        try:
            with self.content.open(descriptor) as blob:
                while piece := blob.read(_PIECE):
                    verifier.update(piece)
            verifier.finish()
        except (VerificationError, OSError) as damage:
            with suppress(StoreError):
                self.content.discard(descriptor.digest)
            message = f"layer {descriptor.digest} was damaged in the store"
            raise StoreCorruptError(
                message,
                expected=descriptor.digest,
                actual=getattr(damage, "actual", None) or str(damage),
                hint="the next pull fetches it again",
            ) from error

    def warn_of(self, stats: Sequence[LayerStats]) -> None:
        """Say once, for a whole image, what could not be made as its layers have it."""
        owners = sum(one.unmapped_owners for one in stats)
        if owners:
            belong = "1 file belongs" if owners == 1 else f"{owners} files belong"
            now = "it is root's now" if owners == 1 else "they are root's now"
            self.progress.warn(f"{belong} to users or groups that do not exist here; {now}")
        devices = sum(one.skipped_devices for one in stats)
        if devices:
            nodes = "1 device node was" if devices == 1 else f"{devices} device nodes were"
            self.progress.warn(f"{nodes} left out: only root can make them")
        names = sorted({name for one in stats for name in one.dropped_xattrs})
        if names:
            shown = ", ".join(map(ascii, names[:_NAMES_SHOWN]))
            more = ", …" if len(names) > _NAMES_SHOWN else ""
            self.progress.warn(f"extended attributes were left out: {shown}{more}")


def _as_json(diff: LayerDiff | None) -> dict[str, Any] | None:
    if diff is None:
        return None
    from dataclasses import asdict  # slow to import, and most runs unpack nothing

    return {
        "stats": asdict(diff.stats),
        "whiteouts": list(map(os.fsdecode, diff.whiteouts)),
        "opaques": list(map(os.fsdecode, diff.opaques)),
    }


def _from_json(value: dict[str, Any] | None) -> LayerDiff | None:
    if value is None:
        return None
    stats = {**value["stats"], "dropped_xattrs": tuple(value["stats"]["dropped_xattrs"])}
    return LayerDiff(
        LayerStats(**stats),
        tuple(map(os.fsencode, value["whiteouts"])),
        tuple(map(os.fsencode, value["opaques"])),
    )
