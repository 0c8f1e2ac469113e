"""Fetch, verify, store: the layers of one or several images, in parallel.

A name is recorded only when everything that it stands for is in the store, so that
an interrupted pull never leaves a name for half an image.
"""

from __future__ import annotations

from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgfetch.interfaces import ContentStore, Progress, Source
    from imgfetch.oci.descriptor import Descriptor

DEFAULT_JOBS = 4


def fetch_all(
    descriptors: Iterable[Descriptor],
    *,
    source: Source,
    store: ContentStore,
    progress: Progress,
    jobs: int = DEFAULT_JOBS,
) -> None:
    """Bring blobs into the store, several at a time, each digest once.

    The first failure ends the other transfers; what they have fetched so far stays in
    the store's ``ingest`` and is taken up again next time.

    Raises:
        NoSpaceError: they don't fit; nothing was fetched.
        ImgfetchError: the first failure.
    """
    wanted = {descriptor.digest: descriptor for descriptor in descriptors}
    missing = []
    for descriptor in wanted.values():
        if store.contains(descriptor):
            progress.update(descriptor, "present", descriptor.size)
        else:
            missing.append(descriptor)
    # Before anything is fetched: each alone may fit where all together do not.
    store.require_space(missing)

    if not missing:
        return
    from imgfetch.workflow.ingest import ingest
    from imgfetch.workflow.parallel import for_each

    def fetch(descriptor: Descriptor, progress: Progress) -> None:
        ingest(descriptor, source=source, store=store, progress=progress)

    for_each(missing, fetch, progress, jobs)
