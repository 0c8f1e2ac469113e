"""The store's directory: whose it is, what it is, how it comes to be, and its locks.

A plain OCI layout (image-spec image-layout.md) with directories of our own beside it:
``ingest`` for what is still arriving, ``locks`` for locks. Only writers make it: for readers
a store that isn't there is an empty one. Refused are a store that somebody else owns or may
write to, since they could swap what was verified, and a layout of a version not known.
"""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from imgfetch.errors import ContentError, StoreCorruptError, StoreError, StoreLockedError
from imgfetch.fs import atomic, lock
from imgfetch.fs.space import is_no_space, no_space
from imgfetch.oci import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from imgfetch.oci.digest import Digest

INGEST = "ingest"
LOCKS = "locks"

_BLOCK = 64 << 10
_OTHERS_MAY_WRITE = 0o022
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class StoreRoot:
    """A store's directory.

    Args:
        path: where it is; it need not be there yet.
        lock_timeout: seconds to wait for another process that does not get on.
        warn: told what a person should know, for example that there are no locks.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, lock_timeout: float, warn: Callable[[str], None]
    ) -> None:
        # Absolute: the process may change its directory while the store is in use.
        self.path = os.path.abspath(path)
        self.lock_timeout = lock_timeout
        self._warn = warn
        self._warned = False
        self._found = False
        self._made = False

    def blob(self, digest: Digest) -> str:
        """The path of a blob."""
        return f"{self.path}/{layout.blob_path(digest)}"

    def ingest(self, name: str) -> str:
        """A path below ``ingest``."""
        return f"{self.path}/{INGEST}/{name}"

    def exists(self) -> bool:
        """Whether there is a store, checked on first sight.

        Raises:
            StoreError: it is not ours, or of a version not known.
        """
        if self._found:
            return True
        with self.errors("read"):
            try:
                status = os.stat(self.path)
                self._check_owner(status)
                marker = self.read_file(layout.MARKER, layout.MARKER_LIMIT)
            except FileNotFoundError:
                return False
        self._check_closed(status)
        try:
            layout.check_marker(marker, f"store {self.path}")
        except ContentError as error:
            message = error.message
            raise StoreCorruptError(
                message, expected=error.expected, actual=error.actual, hint=error.hint
            ) from error
        self._found = True
        return True

    def create(self) -> None:
        """Make what is missing of the store.

        Raises:
            StoreError: it can't be made, is not ours, or of a version not known.
            NoSpaceError: no space or inodes left.
        """
        if self._made:
            return
        with self.errors("write"):
            if not self.exists():
                self._make_layout()
            for name in (layout.BLOBS, INGEST, LOCKS):
                atomic.make_directory(f"{self.path}/{name}")
            if not os.path.lexists(f"{self.path}/{layout.INDEX}"):
                self._make_index()
        self._made = True

    def _make_layout(self) -> None:
        atomic.make_directories(self.path)
        status = os.stat(self.path)
        # A mount point or `mkdir` leaves it open to others; empty, it can be closed unasked.
        self._check_owner(status)
        if not os.listdir(self.path):
            os.chmod(self.path, atomic.PRIVATE_DIRECTORY)
        else:
            self._check_closed(status)
        atomic.replace_file(f"{self.path}/{layout.MARKER}", layout.MARKER_DOCUMENT)

    def _make_index(self) -> None:
        with self.index_lock():
            index = f"{self.path}/{layout.INDEX}"
            # Another process may have made it, and put a name into it, in the meantime.
            if not os.path.lexists(index):
                atomic.replace_file(index, layout.LayoutIndex.empty().to_json())

    def _check_owner(self, status: os.stat_result) -> None:
        user = os.geteuid()
        if status.st_uid != user:
            message = f"store {self.path} belongs to another user"
            remedy = "run imgfetch as that user" if user == 0 else f"chown -R {user} {self.path}"
            raise StoreError(
                message,
                expected=f"uid {user}",
                actual=f"uid {status.st_uid}",
                hint=f"{remedy}, or name a directory of your own with --store",
            )

    def _check_closed(self, status: os.stat_result) -> None:
        if status.st_mode & _OTHERS_MAY_WRITE:
            message = f"store {self.path} may be written to by others"
            hint = f"name a new directory below it, or if it is a store: chmod go-w {self.path}"
            raise StoreError(message, hint=hint)

    def read_file(self, name: str, limit: int) -> bytes:
        """The content of a document of the layout.

        Args:
            name: of the document.
            limit: after more bytes than that no more are read.

        Raises:
            OSError: it can't be read; FileNotFoundError where it isn't there.
        """
        fd = os.open(f"{self.path}/{name}", _READ)
        try:
            content = bytearray()
            while len(content) <= limit and (block := os.read(fd, _BLOCK)):
                content += block
            return bytes(content)
        finally:
            os.close(fd)

    @contextmanager
    def errors(self, doing: str, *, needed: int = 0) -> Generator[None, None, None]:
        """Map what the system says.

        Args:
            doing: what was tried, for the message: ``read``.
            needed: bytes that were to be written.

        Raises:
            NoSpaceError: for a full file system or quota.
            StoreError: for any other error of the system.
        """
        try:
            yield
        except OSError as error:
            if is_no_space(error):
                raise no_space(self.path, needed=needed, error=error) from error
            message = f"can't {doing} the store {self.path}: {error.strerror}"
            actual = error.filename if error.filename != self.path else None
            hint = "name another with --store" if error.errno in _READ_ONLY else None
            raise StoreError(message, actual=actual, hint=hint) from error

    @contextmanager
    def lease(self) -> Generator[None, None, None]:
        """Keep content from being collected while it has no name yet, or while it is used.

        Any number of processes and threads hold one at a time.

        Raises:
            StoreLockedError: content is being collected, and that does not end.
        """
        with ExitStack() as stack:
            try:
                if not self.exists() or not os.path.isdir(f"{self.path}/{LOCKS}"):
                    self.create()
                stack.enter_context(self._locked("content", shared=True, timeout=self.lock_timeout))
            except StoreError as error:
                # What we can't write to we can't collect from either: a store on a
                # read-only file system needs no lease.
                if not _is_read_only(error):
                    raise
            yield

    @contextmanager
    def exclusive(self, timeout: float) -> Generator[None, None, None]:
        """Be the only one who uses content, to delete some of it.

        Raises:
            StoreLockedError: others use some for longer than ``timeout`` seconds.
            StoreError: there are no locks on this file system, so nobody can tell.
        """
        with self._locked("content", timeout=timeout) as held:
            if not held:
                message = f"can't tell whether content of the store {self.path} is in use"
                raise StoreError(message, hint="locks don't work on its file system")
            yield

    @contextmanager
    def index_lock(self) -> Generator[None, None, None]:
        """Be the only one who changes ``index.json``.

        Raises:
            StoreLockedError: somebody else is, and does not end.
        """
        with self._locked("index", timeout=self.lock_timeout):
            yield

    @contextmanager
    def digest_lock(
        self, digest: Digest, on_wait: Callable[[], None]
    ) -> Generator[bool, None, None]:
        """Be the only one who fetches some content.

        Args:
            digest: of the content.
            on_wait: called every now and then while somebody else fetches it; it raises
                to give up.

        Yields:
            Whether there are locks here at all; if not, others may be fetching it as well.
        """
        with self._locked(_digest_name(digest), unlink=True, on_wait=on_wait) as held:
            yield held

    def digest_locked_error(self, digest: Digest) -> StoreLockedError:
        """The error for content that somebody else fetches, or seems to."""
        return lock.locked_error(self._lock_path(_digest_name(digest)))

    @contextmanager
    def _locked(
        self,
        name: str,
        *,
        timeout: float = lock.FOREVER,
        shared: bool = False,
        unlink: bool = False,
        on_wait: Callable[[], None] = lambda: None,
    ) -> Generator[bool, None, None]:
        with ExitStack() as stack:
            # Around the lock alone: errors of the block are none of the store's.
            with self.errors("lock"):
                held = stack.enter_context(
                    lock.locked(
                        self._lock_path(name),
                        shared=shared,
                        timeout=timeout,
                        unlink=unlink,
                        on_wait=on_wait,
                        on_unsupported=self._warn_once,
                    )
                )
            yield held

    def _lock_path(self, name: str) -> str:
        return f"{self.path}/{LOCKS}/{name}.lock"

    def _warn_once(self, reason: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(f"{reason}; processes that use this store at once may repeat work")


def _digest_name(digest: Digest) -> str:
    return f"{digest.algorithm}-{digest.encoded}"


def _is_read_only(error: StoreError) -> bool:
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _READ_ONLY
