"""Making and checking lock files: references to digests, moved only on request."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from imgfetch.errors import PolicyError
from imgfetch.workflow.lockfile import LockFile

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from imgfetch.oci.platform import Platform
    from imgfetch.oci.reference import Reference
    from imgfetch.workflow.lockfile import LockedImage

    Resolve = Callable[[Reference, "tuple[Platform, ...] | None"], LockedImage]
    """What a reference stands for now, for some platforms or for all there are."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a lock file is to have.

    Attributes:
        references: that have to be in it.
        complete: whether others are to leave it.
        platforms: to have each image for, besides those that it is locked for; None for
            all that there are.
        upgrade: those to move to what they stand for now; None for all.
    """

    references: tuple[Reference, ...]
    complete: bool = False
    platforms: tuple[Platform, ...] | None = ()
    upgrade: Collection[Reference] | None = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What differs between two lock files.

    Attributes:
        reference: of the image.
        before: None when it was added.
        after: None when it was removed.
    """

    reference: Reference
    before: LockedImage | None
    after: LockedImage | None

    @property
    def kind(self) -> Literal["added", "moved", "changed", "removed"]:
        """What happened to it; ``changed`` are its platforms alone."""
        if self.before is None:
            return "added"
        if self.after is None:
            return "removed"
        return "changed" if self.before.digest == self.after.digest else "moved"


def update(current: LockFile, wanted: Wanted, default: Platform, resolve: Resolve) -> LockFile:
    """A lock file with all that is wanted; what is locked stays as it is.

    Args:
        current: what there is.
        wanted: what there is to be.
        default: the platform of new images when none is wanted in particular.
        resolve: asks where images come from.

    Raises:
        PolicyError: an image to be moved is not locked.
    """
    locked = current.by_reference
    for reference in wanted.upgrade or ():
        if reference not in locked and reference not in wanted.references:
            message = f"{reference} is not locked, so it can't be moved"
            raise PolicyError(message, hint=f"to add it: imgfetch lock {reference}")
    kept = set(wanted.references) if wanted.complete else {*locked, *wanted.references}
    return LockFile.of(
        _updated(reference, locked.get(reference), wanted, default, resolve)
        for reference in sorted(kept, key=str)
    )


def _updated(
    reference: Reference,
    before: LockedImage | None,
    wanted: Wanted,
    default: Platform,
    resolve: Resolve,
) -> LockedImage:
    if before is None:
        return resolve(reference, (default,) if wanted.platforms == () else wanted.platforms)
    platforms = _platforms(before, wanted)
    if wanted.upgrade is None or reference in wanted.upgrade:
        return resolve(reference, platforms)
    if platforms == _locked_platforms(before):
        return before
    # More of the same image, whatever the reference stands for by now.
    return replace(resolve(before.pinned, platforms), reference=reference)


def changes(before: LockFile, after: LockFile) -> list[Change]:
    """What differs, sorted by reference."""
    old, new = before.by_reference, after.by_reference
    return [
        Change(reference, old.get(reference), new.get(reference))
        for reference in sorted({*old, *new}, key=str)
        if old.get(reference) != new.get(reference)
    ]


def _locked_platforms(locked: LockedImage) -> tuple[Platform, ...]:
    return tuple(one.platform for one in locked.platforms)


def _platforms(before: LockedImage, wanted: Wanted) -> tuple[Platform, ...] | None:
    """The platforms of an image that is locked; where some images are named, only they grow."""
    locked = _locked_platforms(before)
    if wanted.references and before.reference not in wanted.references:
        return locked
    return None if wanted.platforms is None else tuple(dict.fromkeys((*locked, *wanted.platforms)))
