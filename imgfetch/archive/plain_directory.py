"""``dir:``: an image as skopeo leaves it in a directory, one file for each blob."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.archive.members import read_document, unverified, unverified_bytes
from imgfetch.errors import NotInStoreError, UnsupportedContentError
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.document import MANIFEST_LIMIT
from imgfetch.oci.manifest import parse

if TYPE_CHECKING:
    from imgfetch.archive.members import Members
    from imgfetch.oci.unverified import Unverified

MANIFEST = "manifest.json"
VERSION = "version"
VERSION_DOCUMENT = b"Directory Transport Version: 1.1\n"

_VERSION_LIMIT = 1024
_KNOWN_VERSION = b"Directory Transport Version: 1."


class PlainDirectorySource:
    """A source: see `imgfetch.interfaces.Source`.

    Args:
        members: the directory's files.
        name: the image's name, for people and errors.
    """

    def __init__(self, members: Members, name: str) -> None:
        self.name = name
        self._members = members

    def resolve(self) -> Unverified:
        """See `imgfetch.interfaces.Source`.

        Raises:
            NotInStoreError: there is no image.
            ContentError: it is malformed, or of another version.
        """
        self._check_version()
        if self._members.size(MANIFEST) is None:
            message = f"{self.name} is not an image's directory: it has no {MANIFEST}"
            raise NotInStoreError(message)
        raw = read_document(self._members, MANIFEST, MANIFEST_LIMIT)
        media_type = parse(raw, what=f"{self.name}: {MANIFEST}").media_type
        return unverified_bytes(self._members, raw, Descriptor.of(raw, media_type))

    def _check_version(self) -> None:
        if self._members.size(VERSION) is None:
            return  # older than the file
        version = read_document(self._members, VERSION, _VERSION_LIMIT)
        if not version.startswith(_KNOWN_VERSION):
            message = f"{self.name} is of another version"
            raise UnsupportedContentError(
                message, actual=repr(version[:80].decode("ascii", "replace"))
            )

    def fetch(self, descriptor: Descriptor) -> Unverified:
        """See `imgfetch.interfaces.Source`."""
        return unverified(self._members, file_name(descriptor), descriptor)

    def close(self) -> None:
        """See `imgfetch.interfaces.Source`."""
        self._members.close()


def file_name(descriptor: Descriptor) -> str:
    """The file of some content: its digest without the algorithm, if that is SHA-256."""
    digest = descriptor.digest
    prefix = "" if digest.algorithm == "sha256" else f"{digest.algorithm}-"
    name = f"{prefix}{digest.encoded}"
    if mediatype.normalize(descriptor.media_type) in mediatype.MANIFESTS | mediatype.INDEXES:
        # The manifests below an index; without the suffix they could be a layer's.
        return f"{name}.manifest.json"
    return name
