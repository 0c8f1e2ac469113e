"""Fetch, verify, store: the layers of one or several images, in parallel.

A name is recorded only when everything that it stands for is in the store, so that
an interrupted pull never leaves a name for half an image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.errors import ImgfetchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imgfetch.interfaces import ContentStore, Progress, Source, Stage
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
    if len(missing) <= 1 or jobs == 1:
        for descriptor in missing:
            store.ingest(source.fetch(descriptor), progress)
        return
    _fetch_in_threads(missing, source, store, progress, jobs)


def _fetch_in_threads(
    missing: list[Descriptor], source: Source, store: ContentStore, progress: Progress, jobs: int
) -> None:
    # A present image never needs threads, and a warm run never gets here.
    from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
    from threading import Event

    stop = Event()
    stoppable = _Stoppable(progress, stop.is_set)

    def fetch(descriptor: Descriptor) -> None:
        if stop.is_set():
            return
        try:
            store.ingest(source.fetch(descriptor), stoppable)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="fetch") as threads:
        futures = [threads.submit(fetch, descriptor) for descriptor in missing]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            stop.set()
    failures = [error for future in done if (error := future.exception()) is not None]
    failures.sort(key=lambda error: isinstance(error, _StoppedError))
    if failures:
        raise failures[0]


class _StoppedError(ImgfetchError):
    """Another transfer failed, so this one was given up."""


class _Stoppable:
    """Progress that ends a transfer, or the wait for another process's, once it is stopped."""

    def __init__(self, progress: Progress, stopped: Callable[[], bool]) -> None:
        self._stopped = stopped
        self._progress = progress

    def update(self, descriptor: Descriptor, stage: Stage, done: int) -> None:
        if self._stopped():
            message = f"the transfer of {descriptor.digest} was given up"
            raise _StoppedError(message)
        self._progress.update(descriptor, stage, done)

    def warn(self, message: str) -> None:
        self._progress.warn(message)
