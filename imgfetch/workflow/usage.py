"""Who uses what in the store: sizes that images share, when they were used, running containers."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from imgfetch.fs.claim import claim_abandoned
from imgfetch.runtime.layout import DETACHED, EXIT, IMAGES
from imgfetch.snapshot.overlayfs import LINKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from imgfetch.oci.digest import Digest
    from imgfetch.workflow.images import StoredImage, StoredPlatform


def with_usage(
    stored: Iterable[StoredImage], last_used: Callable[[Digest], float | None]
) -> list[StoredImage]:
    """The same images with what they share, and when they were used.

    Args:
        stored: all that there are.
        last_used: of a manifest.
    """
    stored = list(stored)
    # Several names of one image share nothing.
    images = {entry.descriptor.digest: entry for entry in stored}
    owners = Counter(digest for entry in images.values() for digest in entry.blobs)
    return [
        replace(
            entry,
            shared_size=sum(size for digest, size in entry.blobs.items() if owners[digest] > 1),
            last_used=_latest(last_used(one.digest) for one in entry.platforms),
        )
        for entry in stored
    ]


def _latest(times: Iterable[float | None]) -> float | None:
    return max((time for time in times if time is not None), default=None)


def running(runs: str) -> dict[str, list[str]]:
    """The ids of containers by the topmost snapshots that are mounted for each.

    Of its own image, and of those that it mounts. Those that run, and those that have ended
    and are kept. Containers with a copy of their image's files need nothing of it any more.

    Args:
        runs: absolute path of the store's ``runs``.
    """
    try:
        found = sorted(os.listdir(runs))
    except FileNotFoundError:
        return {}
    by_snapshot: dict[str, list[str]] = {}
    for container_id in found:
        path = f"{runs}/{container_id}"
        snapshots = set(_mounted(path))
        if snapshots and (
            any(os.path.lexists(f"{path}/{one}") for one in (EXIT, DETACHED)) or _is_alive(path)
        ):
            for snapshot in snapshots:
                by_snapshot.setdefault(snapshot, []).append(container_id)
    return by_snapshot


def _mounted(run: str) -> Iterator[str]:
    """The topmost snapshots that are mounted in the directory of a run."""
    places = [run]
    with suppress(OSError):
        places += [f"{run}/{IMAGES}/{number}" for number in os.listdir(f"{run}/{IMAGES}")]
    for place in places:
        with suppress(OSError):
            yield os.path.basename(os.path.dirname(os.readlink(f"{place}/{LINKS}")))


def _is_alive(path: str) -> bool:
    descriptor = claim_abandoned(path)
    if descriptor is None:
        return os.path.isdir(path)
    os.close(descriptor)
    return False


def containers_of(
    platforms: Iterable[StoredPlatform], by_snapshot: Mapping[str, list[str]]
) -> list[str]:
    """The ids of running containers of some images."""
    tops = {one.chains[-1] for one in platforms if one.chains}
    return sorted(one for top in tops for one in by_snapshot.get(top, ()))
