"""Writing the files of an image archive, to a tar or to a directory."""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

from imgfetch.fs.atomic import write_all
from imgfetch.tar.entry import Entry
from imgfetch.tar.writer import TarWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from imgfetch.archive.forms import Member
    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.tar.entry import Kind

    ReadBlob = Callable[[Descriptor], Iterator[bytes]]

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write_tarball(
    members: Sequence[Member], read_blob: ReadBlob, write: Callable[[bytes | memoryview], None]
) -> None:
    """Write files as a tar archive, each directory before what is in it.

    Args:
        members: in order.
        read_blob: gives a blob's content, of the descriptor's size.
        write: takes the archive's bytes.
    """
    archive = TarWriter(write)
    known: set[str] = set()
    for member in members:
        for directory in _missing_parents(member.name, known):
            archive.add(_entry(directory, "directory", 0o755, 0))
        size, chunks = _content(member, read_blob)
        archive.add(_entry(member.name, "file", 0o644, size), chunks)
    archive.finish()


def write_tree(members: Sequence[Member], read_blob: ReadBlob, directory: str) -> None:
    """Write files into an empty directory.

    Args:
        members: in order.
        read_blob: gives a blob's content, of the descriptor's size.
        directory: of the process's own.

    Raises:
        OSError: one can't be written.
    """
    known: set[str] = set()
    for member in members:
        for parent in _missing_parents(member.name, known):
            os.mkdir(f"{directory}/{parent}")
        fd = os.open(f"{directory}/{member.name}", _NEW_FILE, 0o666)
        try:
            for chunk in _content(member, read_blob)[1]:
                write_all(fd, chunk)
        finally:
            os.close(fd)


def _content(member: Member, read_blob: ReadBlob) -> tuple[int, Iterable[bytes]]:
    content = member.content
    if isinstance(content, bytes):
        return len(content), [content]
    return content.size, read_blob(content)


def _missing_parents(name: str, known: set[str]) -> list[str]:
    parents: list[str] = []
    parent = posixpath.dirname(name)
    while parent and parent not in known:
        known.add(parent)
        parents.insert(0, parent)
        parent = posixpath.dirname(parent)
    return parents


def _entry(name: str, kind: Kind, mode: int, size: int) -> Entry:
    # Of no time and nobody: the archive says what it holds, not when it was made.
    return Entry(name.encode(), kind, size, mode, 0, 0, 0, b"", 0, 0, 0, size)
