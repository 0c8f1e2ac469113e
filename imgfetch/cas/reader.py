"""Reading a store: content by digest, names by ``index.json``. No lock, nothing written.

Documents are verified again whenever they are read, and a layer when it is applied, so
that a store on a disk that rots or on another machine is believed no further than that.
"""

from __future__ import annotations

import errno
import os

from imgfetch.cas.root import StoreRoot
from imgfetch.errors import (
    ContentError,
    DocumentError,
    NotInStoreError,
    StoreCorruptError,
    StoreError,
    VerificationError,
)
from imgfetch.lean.contextlib import contextmanager
from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.oci import layout
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import ENCODED_LENGTH
from imgfetch.oci.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import BinaryIO

    from imgfetch.oci.digest import Digest

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class LayoutReader:
    """A store that is read where it is, whoever it belongs to: ``--store-ro``.

    Whoever can write there decides what the names in it stand for, and nothing else:
    what content is said to be is checked against its digest all the same.

    Args:
        path: the directory.
        warn: told what a person should know and what does not stop the work.
    """

    # What `index` saw last: a run looks twice, and a thousand names take their time.
    _seen: tuple[bytes, layout.LayoutIndex] | None = None

    def __init__(
        self, path: str | os.PathLike[str], *, warn: Callable[[str], None] = lambda _: None
    ) -> None:
        self._root = StoreRoot(path, lock_timeout=0, warn=warn, foreign=True)

    @property
    def path(self) -> str:
        """The directory, absolute."""
        return self._root.path

    @property
    def root(self) -> StoreRoot:
        """The directory and its locks, for those who look after it."""
        return self._root

    # Content

    def contains(self, descriptor: Descriptor) -> bool:
        """See `imgfetch.interfaces.ContentStore`."""
        status = self._status(descriptor.digest)
        return status is not None and status.st_size == descriptor.size

    def find(self, digest: Digest) -> Descriptor | None:
        """See `imgfetch.interfaces.ContentStore`."""
        status = self._status(digest)
        return Descriptor("", digest, status.st_size) if status is not None else None

    def digests(self) -> set[str]:
        """The digests of all content that is there, by the names of its files."""
        if not self._root.exists():
            return set()
        with self._root.errors("read"):
            blobs = f"{self.path}/{layout.BLOBS}"
            return {
                f"{algorithm}:{name}"
                for algorithm in ENCODED_LENGTH
                if os.path.isdir(f"{blobs}/{algorithm}")
                for name in os.listdir(f"{blobs}/{algorithm}")
            }

    def last_used(self, digest: Digest) -> float | None:
        """When content was last used, in seconds since the epoch and to a day.

        None where it isn't there.
        """
        status = self._status(digest)
        return None if status is None else status.st_mtime

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
        return status if self._root.trusts(status) else None

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        """See `imgfetch.interfaces.ContentStore`."""
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
            self._check_plain(path, os.fstat(fd), descriptor)
            return os.fdopen(fd, "rb", buffering=0)
        except BaseException:
            os.close(fd)
            raise

    def _check_plain(self, path: str, status: os.stat_result, descriptor: Descriptor) -> None:
        if not self._root.trusts(status):
            raise _untrusted(path, f"mode {status.st_mode:o}, owner {status.st_uid}")
        if status.st_size != descriptor.size:
            message = f"stored content {descriptor.digest} has another size"
            raise StoreCorruptError(
                message,
                expected=f"{descriptor.size} bytes",
                actual=f"{status.st_size} bytes",
                hint="imgfetch fsck --repair fetches it anew",
            )

    def _not_there(self, descriptor: Descriptor) -> NotInStoreError:
        message = f"{descriptor.digest} is not in the store {self.path}"
        return NotInStoreError(message, hint="imgfetch fsck --repair fetches what images miss")

    # References

    def lookup(self, name: str) -> Descriptor | None:
        """See `imgfetch.interfaces.ReferenceStore`.

        Raises:
            StoreCorruptError: ``index.json`` is malformed, or has several such entries.
        """
        index = self._index()
        with self._malformed():
            found = {entry.digest: entry for entry in index.named(name)}
        if len(found) > 1:
            message = f"{name} stands for several images in the store {self.path}"
            raise StoreCorruptError(
                message,
                actual=", ".join(map(str, found)),
                hint=f"name one by its digest, or drop them all: imgfetch rmi {name}",
            )
        return next(iter(found.values()), None)

    def announced(self, digest: Digest) -> Descriptor | None:
        """See `imgfetch.interfaces.ReferenceStore`."""
        index = self._index()
        with self._malformed():
            return index.announced(digest)

    def entries(self) -> list[tuple[str | None, Descriptor]]:
        """See `imgfetch.interfaces.ReferenceStore`."""
        return [(entry.ref_name, entry) for entry in self.index().entries]

    def index(self) -> layout.LayoutIndex:
        """What ``index.json`` says; of a store that isn't there, nothing.

        Raises:
            StoreCorruptError: it is malformed.
        """
        index = self._index()
        with self._malformed():
            _ = index.entries
        return index

    def _index(self) -> layout.LayoutIndex:
        """The same, of which single entries may be malformed."""
        if not self._root.exists():
            return layout.LayoutIndex.empty()
        try:
            with self._root.errors("read"):
                raw = self._root.read_file(layout.INDEX, layout.INDEX_LIMIT)
        except StoreError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return layout.LayoutIndex.empty()
            raise
        seen = self._seen
        if seen is not None and seen[0] == raw:
            return seen[1]
        with self._malformed():
            index = layout.LayoutIndex.from_json(raw, f"store {self.path}")
        self._seen = (raw, index)
        return index

    @contextmanager
    def _malformed(self) -> Generator[None, None, None]:
        try:
            yield
        except ContentError as error:
            message = error.message
            raise StoreCorruptError(
                message,
                expected=error.expected,
                actual=error.actual,
                hint="imgfetch fsck --repair sets it aside",
            ) from error


def _untrusted(path: str, actual: str) -> StoreCorruptError:
    return StoreCorruptError(
        f"{path} is not a plain file of our own",
        actual=actual,
        hint="remove it, and find out who put it there",
    )
