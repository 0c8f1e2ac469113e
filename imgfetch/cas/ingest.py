"""One blob on its way into the store.

It grows in a file below ``ingest`` that a broken transfer or a crash leaves behind: the
next one hashes what is there again and asks for the rest. The file gets its name among the
blobs only after size and digest were checked, and it was synced.
"""

from __future__ import annotations

import os
import stat
import time

from imgfetch.errors import NoSpaceError, VerificationError
from imgfetch.fs import atomic, space
from imgfetch.lean.contextlib import closing, suppress
from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgfetch.cas.root import StoreRoot
    from imgfetch.interfaces import Progress
    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.digest import Digest
    from imgfetch.oci.unverified import Unverified
    from imgfetch.oci.verify import Verifier

PARTIAL = ".partial"

_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_BLOCK = 1 << 20


def partial_name(digest: Digest) -> str:
    """The name below ``ingest`` of what has arrived of some content."""
    return f"{digest.algorithm}-{digest.encoded}{PARTIAL}"


class Waiting:
    """Waits for another process's transfer of some content, as long as it gets on.

    Args:
        root: the store.
        descriptor: of the content.
        progress: told how far the other one is; what it raises ends the wait.
    """

    def __init__(self, root: StoreRoot, descriptor: Descriptor, progress: Progress) -> None:
        self._root = root
        self._descriptor = descriptor
        self._progress = progress
        self._partial = root.ingest(partial_name(descriptor.digest))
        self._arrived = -1
        self._since = time.monotonic()

    def __call__(self) -> None:
        """Look again.

        Raises:
            StoreLockedError: nothing arrived for as long as the store's lock timeout.
        """
        try:
            arrived = os.lstat(self._partial).st_size
        except OSError:
            arrived = 0
        now = time.monotonic()
        if arrived != self._arrived:
            self._arrived, self._since = arrived, now
        elif now - self._since > self._root.locks.timeout:
            raise self._root.locks.fetching_error(self._descriptor.digest)
        self._progress.update(self._descriptor, "waiting", arrived)


class Transfer:
    """Takes some content into the store.

    Args:
        root: the store.
        content: what is to be taken.
        progress: told how far it is.
        exclusive: whether nobody else takes the same content at the same time. If others
            may, the transfer keeps to a file of its own, and starts from nothing.
    """

    def __init__(
        self, root: StoreRoot, content: Unverified, progress: Progress, *, exclusive: bool
    ) -> None:
        self._root = root
        self._content = content
        self._descriptor = content.descriptor
        self._progress = progress
        self._resumable = exclusive
        name = partial_name(self._descriptor.digest)
        self._partial = root.ingest(name if exclusive else atomic.temporary_name(name))
        self._target = root.blob(self._descriptor.digest)

    def run(self) -> None:
        """Transfer, verify, publish.

        Raises:
            VerificationError: other content than promised; nothing of it is kept.
            NoSpaceError: the same.
            StoreError: the store can't be written to.
            ImgfetchError: the source failed; what arrived is kept for the next time.
        """
        with self._root.errors("write"):
            fd = self._open()
        try:
            self._receive_verified(fd)
            with self._root.errors("write", needed=self._descriptor.size):
                self._make_directory()
                atomic.publish(fd, self._partial, self._target)
        except (VerificationError, NoSpaceError):
            self._forget()
            raise
        except BaseException:
            if not self._resumable:
                self._forget()
            raise
        finally:
            os.close(fd)
        self._progress.update(self._descriptor, "done", self._descriptor.size)

    def _make_directory(self) -> None:
        directory = os.path.dirname(self._target)
        if not os.path.isdir(directory):
            atomic.make_directory(directory)
            # Names of blobs are synced in there, which is worth nothing without its own.
            atomic.sync_directory(os.path.dirname(directory))

    def _open(self) -> int:
        for _ in range(2):
            fd = os.open(self._partial, _OPEN, atomic.PRIVATE_FILE)
            status = os.fstat(fd)
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
                os.fchmod(fd, atomic.PRIVATE_FILE)
                return fd
            # A pipe, or another name of somebody's file: not made by us.
            os.close(fd)
            os.unlink(self._partial)
        raise FileExistsError(0, "not a plain file", self._partial)

    def _receive_verified(self, fd: int) -> None:
        verifier = self._resumed(fd)
        if verifier is not None:
            try:
                self._receive(fd, verifier)
            except VerificationError:
                # What was kept may have been damaged: only a whole transfer convicts the
                # source.
                pass
            else:
                return
        with self._root.errors("write"):
            os.ftruncate(fd, 0)
            os.lseek(fd, 0, os.SEEK_SET)
        self._receive(fd, self._content.verifier())

    def _resumed(self, fd: int) -> Verifier | None:
        """A verifier that has seen what is there; None if that is nothing or too much."""
        size = os.fstat(fd).st_size
        if not 0 < size <= self._descriptor.size:
            return None
        verifier = self._content.verifier()
        with self._root.errors("read"):
            while block := os.read(fd, _BLOCK):
                verifier.update(block)
        return verifier

    def _receive(self, fd: int, verifier: Verifier) -> None:
        missing = self._descriptor.size - verifier.received
        # An empty blob is fetched too: the source may have more for it than promised.
        if missing or not self._descriptor.size:
            with self._root.errors("write"):
                space.require(self._root.path, missing)
            # What is here already, of a transfer that goes on where another one ended.
            self._progress.update(self._descriptor, "fetching", verifier.received)
            with closing(self._content.chunks(verifier.received)) as chunks:
                for chunk in chunks:
                    verifier.update(chunk)
                    self._write(fd, chunk)
                    self._progress.update(self._descriptor, "fetching", verifier.received)
        verifier.finish()

    def _write(self, fd: int, chunk: bytes) -> None:
        try:
            atomic.write_all(fd, chunk)
        except OSError:
            missing = self._descriptor.size - os.fstat(fd).st_size
            with self._root.errors("write", needed=missing):
                raise

    def _forget(self) -> None:
        with suppress(OSError):
            os.unlink(self._partial)
