"""The store's locks: files below ``locks`` that hold nothing.

``content.lock`` is held shared by whoever uses content, and alone by whoever deletes some;
``index.lock`` by whoever changes ``index.json``; a lock for each digest by whoever fetches it.
They are taken in this order, and readers of blobs and of ``index.json`` take none.
"""

from __future__ import annotations

from imgfetch.cas.faults import store_errors
from imgfetch.errors import StoreError, StoreLockedError
from imgfetch.fs import lock
from imgfetch.lean.contextlib import ExitStack, contextmanager
from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from imgfetch.oci.digest import Digest

LOCKS = "locks"


class StoreLocks:
    """A store's locks.

    Args:
        path: of the store.
        timeout: seconds to wait for another process that does not get on.
        warn: told for whom we have been waiting for long, and once when the file system
            has no locks.
    """

    def __init__(self, path: str, timeout: float, warn: Callable[[str], None]) -> None:
        self.timeout = timeout
        self._store = path
        self._warn = warn
        self._warned = False
        self._waits = {
            "content": lock.LongWaits(warn, f"deleting content of {path}"),
            "index": lock.LongWaits(warn, f"changing names in {path}"),
            "fetching": lock.LongWaits(warn, "fetching the same content"),
        }

    @property
    def path(self) -> str:
        """The directory of the lock files."""
        return f"{self._store}/{LOCKS}"

    @contextmanager
    def using_content(self) -> Generator[None, None, None]:
        """Keep others from deleting content; any number of processes and threads may.

        Raises:
            StoreLockedError: content is being deleted, and that does not end.
        """
        with self._locked(
            "content", shared=True, timeout=self.timeout, on_wait=self._telling("content")
        ):
            yield

    @contextmanager
    def deleting_content(self, timeout: float) -> Generator[None, None, None]:
        """Be the only one who uses content.

        Raises:
            StoreLockedError: others use some for longer than ``timeout`` seconds.
            StoreError: there are no locks on this file system, so nobody can tell.
        """
        with self._locked("content", timeout=timeout) as held:
            if not held:
                message = f"can't tell whether content of the store {self._store} is in use"
                raise StoreError(message, hint="locks don't work on its file system")
            yield

    @contextmanager
    def changing_index(self) -> Generator[None, None, None]:
        """Be the only one who changes ``index.json``.

        Raises:
            StoreLockedError: somebody else is, and does not end.
        """
        with self._locked("index", timeout=self.timeout, on_wait=self._telling("index")):
            yield

    @contextmanager
    def fetching(self, digest: Digest, on_wait: Callable[[], None]) -> Generator[bool, None, None]:
        """Be the only one who fetches some content.

        Args:
            digest: of the content.
            on_wait: called every now and then while somebody else fetches it; it raises
                to give up.

        Yields:
            Whether there are locks here at all; if not, others may be fetching it as well.
        """
        name = _digest_name(digest)
        tell = self._waits["fetching"].on(self._lock_file(name))

        def wait() -> None:
            tell()
            on_wait()

        with self._locked(name, timeout=lock.FOREVER, unlink=True, on_wait=wait) as held:
            yield held

    def fetching_error(self, digest: Digest) -> StoreLockedError:
        """The error for content that somebody else fetches, or seems to."""
        return lock.locked_error(self._lock_file(_digest_name(digest)))

    @contextmanager
    def _locked(
        self,
        name: str,
        *,
        timeout: float,
        shared: bool = False,
        unlink: bool = False,
        on_wait: Callable[[], None] = lambda: None,
    ) -> Generator[bool, None, None]:
        with ExitStack() as stack:
            # Around the lock alone: errors of the block are none of the store's.
            with store_errors(self._store, "lock"):
                held = stack.enter_context(
                    lock.locked(
                        self._lock_file(name),
                        shared=shared,
                        timeout=timeout,
                        unlink=unlink,
                        on_wait=on_wait,
                        on_unsupported=self._warn_once,
                    )
                )
            yield held

    def _telling(self, name: str) -> Callable[[], None]:
        return self._waits[name].on(self._lock_file(name))

    def _lock_file(self, name: str) -> str:
        return f"{self.path}/{name}.lock"

    def _warn_once(self, reason: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(f"{reason}; processes that use this store at once may repeat work")


def _digest_name(digest: Digest) -> str:
    return f"{digest.algorithm}-{digest.encoded}"
