"""What ``doctor`` looks at of stores: cheap looks only, the rest is for ``fsck``.

Nothing is written but to a directory that the caller made for it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from imgfetch import remedies
from imgfetch.cas.ingest import PARTIAL
from imgfetch.cas.reader import LayoutReader
from imgfetch.cas.root import INGEST, StoreRoot
from imgfetch.errors import StoreError
from imgfetch.findings import Finding, missing, of_error, ok, warning
from imgfetch.fs.filesystem import is_foreign, kind_of, shortcoming
from imgfetch.fs.lock import locked
from imgfetch.fs.space import free, readable

if TYPE_CHECKING:
    from collections.abc import Iterator

_FEW_BYTES: Final = 1 << 30
_HARDLY_ANY_BYTES: Final = 1 << 20
_FEW_INODES: Final = 50_000
_HARDLY_ANY_INODES: Final = 100
_ATTRIBUTE: Final = "user.imgfetch"


def store(path: str) -> Iterator[Finding]:
    """Whether a store is ours, of a known version, readable and writable, and what is in it."""
    check = "store"
    root = StoreRoot(path, lock_timeout=0, warn=lambda _: None)
    try:
        there = root.exists()
    except StoreError as error:
        yield of_error(check, error, blocks=True)
        return
    if not there:
        yield _not_there(check, path)
        return
    if not os.access(path, os.W_OK | os.X_OK):
        yield missing(check, f"{path} can't be written to", remedies.OTHER_STORE, blocks=True)
        return
    try:
        names = len(LayoutReader(path).entries())
    except StoreError as error:
        yield of_error(check, error, blocks=True)
        return
    yield ok(check, f"{path}, {names} {'name' if names == 1 else 'names'}{_broken_off(path)}")


def _not_there(check: str, path: str) -> Finding:
    above = existing(path)
    if os.path.isdir(above) and os.access(above, os.W_OK | os.X_OK):
        return ok(check, f"{path}, to be made")
    found = f"{path} can't be made: {above} can't be written to"
    return missing(check, found, remedies.OTHER_STORE, blocks=True)


def _broken_off(path: str) -> str:
    try:
        partial = sum(name.endswith(PARTIAL) for name in os.listdir(f"{path}/{INGEST}"))
    except OSError:
        return ""
    return f", {partial} downloads that broke off: the next pull goes on with them" * bool(partial)


def other_store(path: str) -> Finding:
    """Whether a store that is only read can be."""
    check = "read-only-store"
    try:
        if not StoreRoot(path, lock_timeout=0, warn=lambda _: None, foreign=True).exists():
            return warning(check, f"{path} is not there", "look for --store-ro, IMGFETCH_STORE_RO")
        return ok(check, f"{path}, {len(LayoutReader(path).entries())} names")
    except StoreError as error:
        return of_error(check, error, blocks=True)


def room(path: str) -> Finding:
    """Whether there is space where a store is, or is going to be."""
    check = "space"
    try:
        left = free(existing(path))
    except OSError as error:
        return missing(check, f"{existing(path)}: {error.strerror}", remedies.OTHER_STORE)
    said = ", ".join(
        text
        for text in (
            readable(left.bytes) if left.bytes is not None else "an unknown number of bytes",
            f"{left.inodes} inodes" if left.inodes is not None else "",
        )
        if text
    )
    said = f"{said} free for {path}"
    if _less(left.bytes, _HARDLY_ANY_BYTES) or _less(left.inodes, _HARDLY_ANY_INODES):
        return missing(check, said, remedies.MAKE_ROOM, blocks=True)
    if _less(left.bytes, _FEW_BYTES) or _less(left.inodes, _FEW_INODES):
        return warning(check, said, "imgfetch prune frees what no name leads to")
    return ok(check, said)


def _less(value: int | None, limit: int) -> bool:
    return value is not None and value < limit


def file_system(scratch: str) -> Iterator[Finding]:
    """What the file system of a store does to root filesystems, found by trying.

    Args:
        scratch: an empty directory on it.
    """
    check = "file-system"
    kind = kind_of(scratch) or "not known"
    refusal = shortcoming(scratch)
    if refusal is not None:
        yield missing(check, refusal, remedies.OTHER_FILE_SYSTEM, blocks=True)
        return
    limits = [*_flags(scratch), *_shortages(scratch)]
    if limits:
        said = f"{kind}: {'; '.join(limits)}"
        yield warning(check, said, remedies.OTHER_FILE_SYSTEM)
    elif is_foreign(kind):
        said = f"{kind}: files may not have the owners that layers want"
        yield warning(check, said, remedies.OTHER_FILE_SYSTEM)
    else:
        yield ok(check, kind)


def _flags(directory: str) -> Iterator[str]:
    flags = os.statvfs(directory).f_flag
    for flag, name, consequence in (
        (os.ST_NOEXEC, "noexec", "programs of copied root filesystems can't be started"),
        (os.ST_NODEV, "nodev", "devices of copied root filesystems can't be opened"),
        (os.ST_NOSUID, "nosuid", "setuid programs of copied root filesystems are plain ones"),
    ):
        if flags & flag:
            yield f"mounted {name}: {consequence}"


def _shortages(directory: str) -> Iterator[str]:
    try:
        os.setxattr(directory, _ATTRIBUTE, b"1")
        os.removexattr(directory, _ATTRIBUTE)
    except OSError as error:
        yield f"no extended attributes ({error.strerror}): overlays need them"
    told: list[str] = []
    with locked(f"{directory}/lock", timeout=1, unlink=True, on_unsupported=told.append):
        yield from told


def existing(path: str) -> str:
    """The directory itself, or the nearest one above that is there."""
    while not os.path.lexists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path
