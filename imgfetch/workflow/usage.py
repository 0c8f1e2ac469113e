"""Who uses what in the store: sizes that images share, when they were used, running containers."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from imgfetch.fs.claim import claim_abandoned
from imgfetch.runtime.layout import DETACHED, EXIT
from imgfetch.snapshot.overlayfs import LINKS
from imgfetch.snapshot.unpacker import chain_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from imgfetch.oci.digest import Digest
    from imgfetch.oci.image import Image
    from imgfetch.workflow.images import StoredImage


def with_usage(
    stored: Iterable[StoredImage], last_used: Callable[[Digest], float | None]
) -> list[StoredImage]:
    """The same images with what they share, and when they were used.

    Args:
        stored: all that there are.
        last_used: of a manifest.
    """
    stored = list(stored)
    owners: defaultdict[Digest, set[Digest]] = defaultdict(set)
    for entry in stored:
        for blob in entry.blobs:
            owners[blob.digest].add(entry.descriptor.digest)
    return [
        replace(
            entry,
            shared_size=sum(blob.size for blob in entry.blobs if len(owners[blob.digest]) > 1),
            last_used=_latest(last_used(image.descriptor.digest) for image in entry.images),
        )
        for entry in stored
    ]


def _latest(times: Iterable[float | None]) -> float | None:
    return max((time for time in times if time is not None), default=None)


def running(runs: str) -> dict[str, list[str]]:
    """The ids of containers by the topmost snapshot that each is mounted on.

    Those that run, and those that have ended and are kept. Containers with a copy of their
    image's files need nothing of it any more.

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
        try:
            links = os.readlink(f"{path}/{LINKS}")
        except OSError:
            continue
        if any(os.path.lexists(f"{path}/{one}") for one in (EXIT, DETACHED)) or _is_alive(path):
            snapshot = os.path.basename(os.path.dirname(links))
            by_snapshot.setdefault(snapshot, []).append(container_id)
    return by_snapshot


def _is_alive(path: str) -> bool:
    descriptor = claim_abandoned(path)
    if descriptor is None:
        return os.path.isdir(path)
    os.close(descriptor)
    return False


def containers_of(images: Iterable[Image], by_snapshot: Mapping[str, list[str]]) -> list[str]:
    """The ids of running containers of some images."""
    tops = {names[-1] for image in images if (names := chain_names(image.layers))}
    return sorted(one for top in tops for one in by_snapshot.get(top, ()))
