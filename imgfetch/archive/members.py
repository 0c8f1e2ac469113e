"""What an image's files are read from: a directory or a tar archive, by name.

Names come from documents that nobody has verified: they are looked up below the directory
or inside the archive, and nowhere else (CVE-2014-9358). What comes out is as little trusted
as what a registry sends; the store verifies it.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Protocol

from imgfetch.errors import ContentError, NotInStoreError, UnsupportedContentError
from imgfetch.oci.unverified import Unverified

if TYPE_CHECKING:
    from collections.abc import Generator

    from imgfetch.oci.descriptor import Descriptor

CHUNK = 1 << 20


class Members(Protocol):
    """Files by name.

    Attributes:
        where: what they are in, for errors.
    """

    where: str

    def size(self, name: str) -> int | None:
        """A file's size in bytes; None where there is no such file.

        Raises:
            ContentError: there is something else by that name.
        """
        ...

    def stream(self, name: str, offset: int) -> Generator[bytes, None, None]:
        """A file's content from an offset.

        Raises:
            NotInStoreError: there is no such file.
            ContentError: there is something else by that name, or it is cut off.
        """
        ...

    def close(self) -> None:
        """Give files back."""
        ...


def read_document(members: Members, name: str, limit: int) -> bytes:
    """A whole document.

    Raises:
        NotInStoreError: there is no such file.
        ContentError: it is longer than ``limit`` (CVE-2023-25153), or no file.
    """
    content = bytearray()
    for chunk in members.stream(name, 0):
        content += chunk
        if len(content) > limit:
            message = f"{members.where}: {name} is too large"
            raise UnsupportedContentError(message, expected=f"at most {limit} bytes")
    return bytes(content)


def unverified(members: Members, name: str, descriptor: Descriptor) -> Unverified:
    """A member as content of which nothing is known yet."""

    def chunks(offset: int) -> Generator[bytes, None, None]:
        return members.stream(name, offset)

    return Unverified(descriptor, chunks, f"{members.where}: {name}")


def unverified_bytes(members: Members, raw: bytes, descriptor: Descriptor) -> Unverified:
    """A document at hand as content of which nothing is known yet."""

    def chunks(offset: int) -> Generator[bytes, None, None]:
        yield raw[offset:]

    return Unverified(descriptor, chunks, members.where)


def inner_name(where: str, name: str) -> str:
    """A name from inside an archive in its plain form.

    Raises:
        ContentError: it leads out of the archive.
    """
    plain = posixpath.normpath(name)
    if plain.startswith(("/", "../")) or plain in {".", ".."} or "\0" in name:
        message = f"{where}: {name[:200]!r} is no name inside it"
        raise ContentError(message)
    return plain


def missing(where: str, name: str) -> NotInStoreError:
    """The error for a file that isn't there."""
    return NotInStoreError(f"{where} has no {name}")
