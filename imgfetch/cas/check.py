"""Looking for damage: every blob hashed again, and what is rotten set aside.

What is set aside goes to ``quarantine`` and is never deleted: somebody may want to know
what happened to it. Content that isn't there any more is fetched again when it is needed.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.errors import InvalidDigestError
from imgfetch.fs import atomic
from imgfetch.oci import layout
from imgfetch.oci.digest import ENCODED_LENGTH, Digest, new_hash

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.cas.root import StoreRoot

QUARANTINE = "quarantine"

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_BLOCK = 1 << 20


class Blob(NamedTuple):
    """A file among the blobs.

    Attributes:
        digest: that its name says.
        size: in bytes.
        fault: what is wrong with it; None if it is whole.
    """

    digest: Digest
    size: int
    fault: str | None


def blobs(root: StoreRoot) -> Iterator[tuple[Digest, os.stat_result]]:
    """Each blob of a store, in order; files that are none are left out."""
    for algorithm in ENCODED_LENGTH:
        directory = f"{root.path}/{layout.BLOBS}/{algorithm}"
        try:
            names = sorted(os.listdir(directory))
        except FileNotFoundError:
            continue
        for name in names:
            try:
                digest = Digest(algorithm, name)
                status = os.lstat(f"{directory}/{name}")
            except (InvalidDigestError, FileNotFoundError):
                continue
            yield digest, status


def sizes(root: StoreRoot) -> list[int]:
    """The bytes of each blob of a store, in no order."""
    found = []
    for algorithm, length in ENCODED_LENGTH.items():
        directory = f"{root.path}/{layout.BLOBS}/{algorithm}"
        with suppress(FileNotFoundError), os.scandir(directory) as entries:
            found += [
                entry.stat(follow_symlinks=False).st_size
                for entry in entries
                if len(entry.name) == length
            ]
    return found


def check_blobs(root: StoreRoot) -> Iterator[Blob]:
    """Hash every blob again.

    Raises:
        StoreError: the store can't be read.
    """
    with root.errors("check"):
        for digest, status in blobs(root):
            yield Blob(digest, status.st_size, _fault(root, digest, status))


def _fault(root: StoreRoot, digest: Digest, status: os.stat_result) -> str | None:
    if not stat.S_ISREG(status.st_mode):
        return "not a plain file"
    if not root.trusts(status):
        return f"belongs to uid {status.st_uid}"
    try:
        actual = _hash(root.blob(digest), digest.algorithm)
    except OSError as error:
        # One bad sector says nothing about the others.
        return f"can't be read: {error.strerror}"
    return None if actual == digest else f"is {actual}"


def _hash(path: str, algorithm: str) -> Digest:
    fd = os.open(path, _OPEN)
    try:
        hashed = new_hash(algorithm)
        while block := os.read(fd, _BLOCK):
            hashed.update(block)
        return Digest(algorithm, hashed.hexdigest())
    finally:
        os.close(fd)


def quarantine(root: StoreRoot, path: str) -> str:
    """Set a file of the store aside.

    Returns:
        Where it is now.

    Raises:
        StoreError: the store can't be written.
    """
    directory = f"{root.path}/{QUARANTINE}"
    target = f"{directory}/{os.path.basename(path)}.{os.urandom(4).hex()}"
    with root.errors("repair"):
        atomic.make_directory(directory)
        os.rename(path, target)
    return target
