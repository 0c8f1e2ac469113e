"""All images of an archive or a directory, whatever form it is in.

Where a docker archive is an OCI layout as well, the layout is preferred, since it has the
registry's digests; ``manifest.json`` is checked against it, and adds names. What is listed
here is what the archive claims: its content is verified by whoever ingests it, and its
names are texts.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.archive.directory import open_directory
from imgfetch.archive.docker_archive import LEGACY, MANIFEST, DockerArchiveSource
from imgfetch.archive.layout import CONTAINERD_NAME, LayoutSource, read_entries
from imgfetch.archive.plain_directory import PlainDirectorySource
from imgfetch.archive.tarball import open_tarball
from imgfetch.errors import NotInStoreError, UnsupportedContentError
from imgfetch.oci import layout

if TYPE_CHECKING:
    from collections.abc import Generator

    from imgfetch.archive.members import Members
    from imgfetch.interfaces import Source
    from imgfetch.oci.digest import Digest

# Far more than anybody saves together; each name costs a write of the store's index.
IMAGE_LIMIT = 1000


class ListedImage(NamedTuple):
    """An image in an archive.

    Attributes:
        source: finds this image; closed with the archive.
        names: what the archive calls it, as written.
    """

    source: Source
    names: tuple[str, ...]


@contextmanager
def open_images(
    path: str | int, where: str, *, scratch: str | None = None
) -> Generator[list[ListedImage]]:
    """The images in a file, a directory or a stream, for the length of a ``with`` block.

    Args:
        path: of a tar archive, compressed or not, or of a directory; or a descriptor.
        where: what it is called in errors.
        scratch: a directory for the decompressed copy, where one is needed.

    Raises:
        NotInStoreError: nothing is there, or no image is in it.
        ContentError: malformed, contradicting itself, or of a form not known.
        NoSpaceError: no room for the copy.
    """
    if isinstance(path, str) and os.path.isdir(path):
        members: Members = open_directory(path, where)
        images = _in_directory
    else:
        members = open_tarball(path, where, scratch)
        images = _in_tarball
    try:
        listed = images(members)
        _check_count(listed, where)
        yield listed
    finally:
        members.close()


def _in_directory(members: Members) -> list[ListedImage]:
    if members.size(layout.MARKER) is not None:
        # What a manifest.json beside it names could be any file of this machine.
        return list(_of_layout(members).values())
    return [ListedImage(PlainDirectorySource(members, members.where), ())]


def _in_tarball(members: Members) -> list[ListedImage]:
    has_manifest = members.size(MANIFEST) is not None
    if members.size(layout.MARKER) is not None and members.size(layout.INDEX) is not None:
        found = _of_layout(members)
        if has_manifest:
            _add_docker_images(members, found)
        return list(found.values())
    if has_manifest or members.size(LEGACY) is not None:
        return _docker_images(members)
    message = f"{members.where} is no archive of images"
    expected = f"{layout.MARKER} and {layout.INDEX}, or {MANIFEST}"
    raise NotInStoreError(message, expected=expected)


def _of_layout(members: Members) -> dict[Digest, ListedImage]:
    found: dict[Digest, ListedImage] = {}
    for entry in read_entries(members):
        name = entry.annotations.get(CONTAINERD_NAME) or entry.ref_name
        source = LayoutSource(members, members.where, str(entry.digest))
        _add(found, entry.digest, ListedImage(source, (name,) if name else ()))
    return found


def _docker_images(members: Members) -> list[ListedImage]:
    listed = DockerArchiveSource(members, members.where, None).tags()
    images = [
        ListedImage(DockerArchiveSource(members, members.where, f"@{number}"), tags)
        for number, tags in enumerate(listed)
    ]
    _check_count(images, members.where)
    return images


def _add_docker_images(members: Members, found: dict[Digest, ListedImage]) -> None:
    """Take names from ``manifest.json``, and images that are in there only.

    Raises:
        DocumentError: it contradicts the layout.
    """
    for image in _docker_images(members):
        _add(found, image.source.resolve().descriptor.digest, image)


def _add(found: dict[Digest, ListedImage], digest: Digest, image: ListedImage) -> None:
    known = found.get(digest)
    if known is not None:
        image = ListedImage(known.source, tuple(dict.fromkeys(known.names + image.names)))
    found[digest] = image


def _check_count(images: list[ListedImage], where: str) -> None:
    if not images:
        message = f"{where}: there is no image in it"
        raise NotInStoreError(message)
    if sum(max(1, len(image.names)) for image in images) > IMAGE_LIMIT:
        message = f"{where} has too many images and names"
        raise UnsupportedContentError(message, expected=f"at most {IMAGE_LIMIT}")
