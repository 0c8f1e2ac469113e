"""The content store: verified blobs and the names of images, in a plain OCI layout.

Any number of processes and threads use one store at once, and any of them may be killed at
any moment: the next command goes on without being told. Blobs and ``index.json`` are only
ever replaced by a rename of something complete; readers take no lock for them.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from imgfetch.cas.ingest import Transfer, Waiting
from imgfetch.cas.root import INGEST, StoreRoot
from imgfetch.errors import (
    ContentError,
    DocumentError,
    NotInStoreError,
    StoreCorruptError,
    StoreError,
    VerificationError,
)
from imgfetch.fs import atomic
from imgfetch.oci import layout
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from imgfetch.interfaces import Progress, Unverified
    from imgfetch.oci.digest import Digest

LOCK_TIMEOUT = 120.0
"""Seconds that another process may hold a lock without getting on, by default."""

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class LayoutStore:
    """A store in a directory: `ContentStore` and `ReferenceStore` of `imgfetch.interfaces`.

    Args:
        path: the directory; made by the first write.
        lock_timeout: seconds to wait for another process that does not get on.
        warn: told what a person should know and what does not stop the work.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        lock_timeout: float = LOCK_TIMEOUT,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._root = StoreRoot(path, lock_timeout=lock_timeout, warn=warn)

    @property
    def path(self) -> str:
        """The directory, absolute."""
        return self._root.path

    @property
    def root(self) -> StoreRoot:
        """The directory and its locks, for those who delete from it."""
        return self._root

    def lease(self) -> AbstractContextManager[None]:
        """Keep all content from being collected for the length of a ``with`` block.

        To be held from before content is ingested until after it has a name, and while
        content is read. Makes the store.

        Raises:
            StoreLockedError: content is being collected, and that does not end.
            StoreError: the store can't be made.
        """
        return self._root.lease()

    # Content

    def contains(self, descriptor: Descriptor) -> bool:
        """See `imgfetch.interfaces.ContentStore`."""
        status = self._status(descriptor.digest)
        return status is not None and status.st_size == descriptor.size

    def find(self, digest: Digest) -> Descriptor | None:
        """See `imgfetch.interfaces.ContentStore`."""
        status = self._status(digest)
        return Descriptor("", digest, status.st_size) if status is not None else None

    def _status(self, digest: Digest) -> os.stat_result | None:
        if not self._root.exists():
            return None
        try:
            status = os.lstat(self._root.blob(digest))
        except FileNotFoundError:
            return None
        except OSError:
            with self._root.errors("read"):
                raise
        return status if _is_trusted(status) else None

    def ingest(self, content: Unverified, progress: Progress) -> None:
        """See `imgfetch.interfaces.ContentStore`.

        One process transfers a digest while the others wait; ``progress`` is told
        ``waiting`` again and again, and what it raises ends the wait.
        """
        descriptor = content.descriptor
        if self.contains(descriptor):
            progress.update(descriptor, "present", descriptor.size)
            return
        self._root.create()
        waiting = Waiting(self._root, descriptor, progress)
        with self._root.lease(), self._root.locks.fetching(descriptor.digest, waiting) as held:
            if self.contains(descriptor):
                progress.update(descriptor, "present", descriptor.size)
            else:
                Transfer(self._root, content, progress, exclusive=held).run()

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        """See `imgfetch.interfaces.ContentStore`.

        What is damaged is moved out of the way, so that the next ingest fetches it again.
        """
        if descriptor.size > limit:
            message = f"{descriptor.digest} is too large"
            raise DocumentError(
                message, expected=f"at most {limit} bytes", actual=f"{descriptor.size} bytes"
            )
        with self.open(descriptor) as blob, self._root.errors("read"):
            # One byte more than promised: a file may have grown since it was opened.
            raw = blob.read(descriptor.size + 1)
        try:
            return verify(descriptor, raw, f"stored content {descriptor.digest}")
        except VerificationError as error:
            with suppress(StoreError):
                self.discard(descriptor.digest)
            message = error.message
            raise StoreCorruptError(
                message,
                expected=error.expected,
                actual=error.actual,
                hint="run the command again, online, to fetch it anew",
            ) from error

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """See `imgfetch.interfaces.ContentStore`."""
        if not self._root.exists():
            raise self._not_there(descriptor)
        path = self._root.blob(descriptor.digest)
        try:
            fd = os.open(path, _OPEN)
        except FileNotFoundError:
            raise self._not_there(descriptor) from None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise _untrusted(path, "a symbolic link") from error
            with self._root.errors("read"):
                raise
        try:
            _check_plain(path, os.fstat(fd), descriptor)
            return os.fdopen(fd, "rb", buffering=0)
        except BaseException:
            os.close(fd)
            raise

    def discard(self, digest: Digest) -> None:
        """See `imgfetch.interfaces.ContentStore`."""
        with self._root.errors("write"), suppress(FileNotFoundError):
            os.unlink(self._root.blob(digest))

    def _not_there(self, descriptor: Descriptor) -> NotInStoreError:
        return NotInStoreError(f"{descriptor.digest} is not in the store {self.path}")

    # References

    def lookup(self, name: str) -> Descriptor | None:
        """See `imgfetch.interfaces.ReferenceStore`.

        Raises:
            StoreCorruptError: ``index.json`` is malformed, or has several such entries.
        """
        found = {entry.digest: entry for entry in self.index().named(name)}
        if len(found) > 1:
            message = f"{name} stands for several images in the store {self.path}"
            raise StoreCorruptError(
                message,
                actual=", ".join(map(str, found)),
                hint=f"name one by its digest, or drop them all: imgfetch rmi {name}",
            )
        return next(iter(found.values()), None)

    def tag(self, name: str, descriptor: Descriptor) -> None:
        """See `imgfetch.interfaces.ReferenceStore`."""
        self._root.create()
        with self.lease(), self._root.locks.changing_index():
            self._write_index(self.index().with_entry(name, descriptor))

    def untag(self, name: str) -> Descriptor | None:
        """See `imgfetch.interfaces.ReferenceStore`."""
        if not self.index().named(name):
            return None
        self._root.create()
        with self.lease(), self._root.locks.changing_index():
            index = self.index()
            self._write_index(index.without_entry(name))
            return next(iter(index.named(name)), None)

    def entries(self) -> list[tuple[str | None, Descriptor]]:
        """See `imgfetch.interfaces.ReferenceStore`."""
        return [(entry.ref_name, entry) for entry in self.index().entries]

    def index(self) -> layout.LayoutIndex:
        """What ``index.json`` says; of a store that isn't there, nothing.

        Raises:
            StoreCorruptError: it is malformed.
        """
        if not self._root.exists():
            return layout.LayoutIndex.empty()
        try:
            with self._root.errors("read"):
                raw = self._root.read_file(layout.INDEX, layout.INDEX_LIMIT)
        except StoreError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return layout.LayoutIndex.empty()
            raise
        try:
            return layout.LayoutIndex.from_json(raw, f"store {self.path}")
        except ContentError as error:
            message = error.message
            raise StoreCorruptError(
                message, expected=error.expected, actual=error.actual
            ) from error

    def _write_index(self, index: layout.LayoutIndex) -> None:
        with self._root.errors("write"):
            atomic.replace_file(
                f"{self.path}/{layout.INDEX}",
                index.to_json(),
                directory=f"{self.path}/{INGEST}",
            )


def _is_trusted(status: os.stat_result) -> bool:
    """Whether a blob is a plain file that nobody but us could have put there."""
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()


def _check_plain(path: str, status: os.stat_result, descriptor: Descriptor) -> None:
    if not _is_trusted(status):
        raise _untrusted(path, f"mode {status.st_mode:o}, owner {status.st_uid}")
    if status.st_size != descriptor.size:
        message = f"stored content {descriptor.digest} has another size"
        raise StoreCorruptError(
            message, expected=f"{descriptor.size} bytes", actual=f"{status.st_size} bytes"
        )


def _untrusted(path: str, actual: str) -> StoreCorruptError:
    return StoreCorruptError(
        f"{path} is not a plain file of our own",
        actual=actual,
        hint="remove it, and find out who put it there",
    )
