"""Making the store hold what a lock file names: a plan first, then the work.

All that is missing is fetched before any name moves, and names are removed last: a sync
that fails in the middle leaves every name standing for what it stood for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from imgfetch.oci.layout import is_pinned

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.interfaces import ReferenceStore
    from imgfetch.oci.digest import Digest
    from imgfetch.workflow.lockfile import LockedImage, LockFile

Action = Literal["fetch", "name", "keep", "remove", "copy"]


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done about one name.

    Attributes:
        name: as the store has it, or the other place.
        action: ``fetch`` what is missing and name it, ``name`` what is there, ``keep`` what
            is right already, ``remove`` what the lock file does not have, ``copy`` to another
            place.
        digest: what the name is to stand for; for ``remove`` what it stands for.
        image: from the lock file; None for ``remove``.
    """

    name: str
    action: Action
    digest: Digest
    image: LockedImage | None = None


def plan(
    lock: LockFile,
    references: ReferenceStore,
    is_complete: Callable[[LockedImage], bool],
    extra: ReferenceStore | None = None,
) -> list[Step]:
    """What is to be done so that the store holds what a lock file names.

    Args:
        lock: the lock file.
        references: names in the store.
        is_complete: whether an image is in the store with all platforms that are locked.
        extra: where names are to be removed that the lock file does not have and that are not
            pinned; None for nowhere.

    Returns:
        A step for each name, in the order in which they are to be made.
    """
    steps = []
    for image in lock.images:
        name = str(image.reference)
        found = references.lookup(name)
        action: Action = "fetch"
        if is_complete(image):
            action = "keep" if found is not None and found.digest == image.digest else "name"
        steps.append(Step(name, action, image.digest, image))
    if extra is not None:
        locked = {str(image.reference) for image in lock.images}
        steps += [
            Step(name, "remove", descriptor.digest)
            for name, descriptor in extra.entries()
            if name is not None and name not in locked and not is_pinned(descriptor)
        ]
    return steps
