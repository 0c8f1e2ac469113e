"""The same work on several descriptors at once, ended by the first failure."""

from __future__ import annotations

from imgfetch.errors import ImgfetchError
from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imgfetch.interfaces import Progress, Stage
    from imgfetch.oci.descriptor import Descriptor

    Work = Callable[[Descriptor, Progress], None]


def for_each(descriptors: Sequence[Descriptor], work: Work, progress: Progress, jobs: int) -> None:
    """Do some work on each, several at a time.

    Args:
        descriptors: what to work on.
        work: given a descriptor and the progress to tell, which may end it.
        progress: told how far everything is.
        jobs: how many at a time.

    Raises:
        ImgfetchError: the first failure; the others were given up.
    """
    if len(descriptors) <= 1 or jobs == 1:
        for descriptor in descriptors:
            work(descriptor, progress)
        return
    _in_threads(descriptors, work, progress, jobs)


def _in_threads(
    descriptors: Sequence[Descriptor], work: Work, progress: Progress, jobs: int
) -> None:
    # A present image never needs threads, and a warm run never gets here.
    from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
    from threading import Event

    stop = Event()
    stoppable = _Stoppable(progress, stop.is_set)

    def work_on(descriptor: Descriptor) -> None:
        if stop.is_set():
            return
        try:
            work(descriptor, stoppable)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="transfer") as threads:
        futures = [threads.submit(work_on, descriptor) for descriptor in descriptors]
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
