"""From ``transport:path[:ref]`` to the source that reads it: containers-transports(5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.archive.directory import open_directory
from imgfetch.archive.docker_archive import DockerArchiveSource
from imgfetch.archive.layout import LayoutSource
from imgfetch.archive.plain_directory import PlainDirectorySource
from imgfetch.archive.tarball import open_tarball

if TYPE_CHECKING:
    from imgfetch.interfaces import Source
    from imgfetch.oci.transport import PathName


def open_source(name: PathName, *, scratch: str | None = None) -> Source:
    """Open an image in a file or a directory.

    Args:
        name: what to open.
        scratch: a directory for the decompressed copy of an archive that can't be read
            where it is (compressed, or a pipe); the system's temporary one by default.

    Raises:
        NotInStoreError: there is no such file or directory.
        ContentError: it is no archive.
        NoSpaceError: no room for the copy.
    """
    where = str(name)
    match name.transport:
        case "oci":
            return LayoutSource(open_directory(name.path, where), where, name.ref)
        case "dir":
            return PlainDirectorySource(open_directory(name.path, where), where)
        case "oci-archive":
            return LayoutSource(open_tarball(name.path, where, scratch), where, name.ref)
        case "docker-archive":
            return DockerArchiveSource(open_tarball(name.path, where, scratch), where, name.ref)
