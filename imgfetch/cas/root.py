"""The store's directory: whose it is, what it is, and how it comes to be.

A plain OCI layout (image-spec image-layout.md) with directories of our own beside it:
``ingest`` for what is still arriving, ``locks`` for locks. Only writers make it: for readers
a store that isn't there is an empty one. Refused are a store that somebody else owns or may
write to, since they could swap what was verified, and a layout of a version not known.
"""

from __future__ import annotations

import os
import stat

from imgfetch.cas.faults import is_read_only, store_errors
from imgfetch.cas.locks import LOCKS, StoreLocks
from imgfetch.errors import ContentError, StoreCorruptError, StoreError
from imgfetch.fs import atomic
from imgfetch.lean.contextlib import ExitStack, contextmanager
from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.oci import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    from imgfetch.oci.digest import Digest

INGEST = "ingest"

_BLOCK = 64 << 10
_OTHERS_MAY_WRITE = 0o022
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class StoreRoot:
    """A store's directory.

    Args:
        path: where it is; it need not be there yet.
        lock_timeout: seconds to wait for another process that does not get on.
        warn: told what a person should know, for example that there are no locks.
        foreign: whether it is only read, and so may be anybody's.

    Attributes:
        path: where it is, absolute.
        locks: for those who change something.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        lock_timeout: float,
        warn: Callable[[str], None],
        foreign: bool = False,
    ) -> None:
        # Absolute: the process may change its directory while the store is in use.
        self.path = os.path.abspath(path)
        self.locks = StoreLocks(self.path, lock_timeout, warn)
        self._foreign = foreign
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
                if not self._foreign:
                    self._check_owner(status)
                marker = self.read_file(layout.MARKER, layout.MARKER_LIMIT)
            except FileNotFoundError:
                return False
        if not self._foreign:
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
        self._check_owner(os.stat(self.path))
        # A mount point or `mkdir` leaves it open to others; empty, it can be closed unasked.
        if not os.listdir(self.path):
            os.chmod(self.path, atomic.PRIVATE_DIRECTORY)
            self._check_modes(os.stat(self.path))
        self._check_closed(os.stat(self.path))
        atomic.replace_file(f"{self.path}/{layout.MARKER}", layout.MARKER_DOCUMENT)

    def _make_index(self) -> None:
        with self.locks.changing_index():
            index = f"{self.path}/{layout.INDEX}"
            # Another process may have made it, and put a name into it, in the meantime.
            if not os.path.lexists(index):
                atomic.replace_file(index, layout.LayoutIndex.empty().to_json())

    def trusts(self, status: os.stat_result) -> bool:
        """Whether a blob is a plain file, and in a store of ours nobody else's."""
        ours = self._foreign or status.st_uid == os.geteuid() or self._is_owner(status.st_uid)
        return ours and stat.S_ISREG(status.st_mode)

    def _is_owner(self, uid: int) -> bool:
        """Whether the store is that user's: it was ours before we were root of a namespace."""
        return self._found and uid == os.stat(self.path).st_uid

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

    def _check_modes(self, status: os.stat_result) -> None:
        if status.st_mode & _OTHERS_MAY_WRITE:
            # Needed hardly ever, and this module on every run.
            from imgfetch.fs.filesystem import kind_of

            kind = kind_of(self.path) or "a file system"
            message = f"store {self.path} would be on {kind}, without permissions of its own"
            raise StoreError(message, hint="name one on another file system with --store")

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

    def errors(self, doing: str, *, needed: int = 0) -> AbstractContextManager[None]:
        """See `imgfetch.cas.faults.store_errors`."""
        return store_errors(self.path, doing, needed=needed)

    @contextmanager
    def lease(self) -> Generator[None, None, None]:
        """Keep content from being collected while it has no name yet, or while it is used.

        Any number of processes and threads hold one at a time.

        Raises:
            StoreLockedError: content is being collected, and that does not end.
        """
        with ExitStack() as stack:
            try:
                if not self.exists() or not os.path.isdir(self.locks.path):
                    self.create()
                stack.enter_context(self.locks.using_content())
            except StoreError as error:
                # What we can't write to we can't collect from either: a store on a
                # read-only file system needs no lease.
                if not is_read_only(error):
                    raise
            yield
