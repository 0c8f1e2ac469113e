"""Image names with a transport: containers-transports(5).

Everywhere a reference is read, these are understood: ``docker://`` or nothing (a
registry), ``oci:DIR[:REF]``, ``oci-archive:FILE[:REF]``,
``docker-archive:FILE[:REF]``, ``dir:DIR`` and ``store:REF``.
"""

from __future__ import annotations

from imgfetch.errors import InvalidReferenceError
from imgfetch.lean.dataclasses import dataclass
from imgfetch.lean.typing import Literal
from imgfetch.oci.reference import Reference

PathTransport = Literal["oci", "oci-archive", "docker-archive", "dir"]
_PATH_TRANSPORTS: tuple[PathTransport, ...] = ("oci", "oci-archive", "docker-archive", "dir")
# Stores of other tools. Without this, the name would pass for a repository of Docker Hub's.
_FOREIGN_TRANSPORTS = ("containers-storage:", "docker-daemon:")


@dataclass(frozen=True, slots=True)
class RegistryName:
    """An image in a registry, or in the store once it was pulled from there."""

    reference: Reference

    def __str__(self) -> str:
        """The canonical reference."""
        return str(self.reference)


@dataclass(frozen=True, slots=True)
class StoreName:
    """An image that has to be in the store already."""

    reference: Reference

    def __str__(self) -> str:
        """``store:`` and the canonical reference."""
        return f"store:{self.reference}"


@dataclass(frozen=True, slots=True)
class PathName:
    """An image in a file or a directory.

    Attributes:
        transport: the format.
        path: of the file or the directory, as written.
        ref: which of several images; None when there is only one.
    """

    transport: PathTransport
    path: str
    ref: str | None = None

    def __str__(self) -> str:
        """``transport:path[:ref]``."""
        ref = f":{self.ref}" if self.ref is not None else ""
        return f"{self.transport}:{self.path}{ref}"


ImageName = RegistryName | StoreName | PathName


def parse_image_name(text: str) -> ImageName:
    """Parse an image name.

    As in containers/image, the path of a transport ends at its first colon.

    Raises:
        InvalidReferenceError: outside the grammar.
    """
    for transport in _PATH_TRANSPORTS:
        prefix = f"{transport}:"
        if text.startswith(prefix):
            rest = text.removeprefix(prefix)
            path, _, ref = (rest, "", "") if transport == "dir" else rest.partition(":")
            if not path or "\0" in text:
                message = f"invalid image name {text[:200]!r}"
                raise InvalidReferenceError(message, expected=f"{transport}:PATH")
            return PathName(transport, path, ref or None)
    if text.startswith(_FOREIGN_TRANSPORTS):
        message = f"invalid image name {text[:200]!r}: other tools' stores are not read"
        hint = "let the tool write an archive: docker-archive:FILE or oci-archive:FILE"
        raise InvalidReferenceError(message, hint=hint)
    if text.startswith("store:"):
        return StoreName(Reference.parse(text.removeprefix("store:")))
    return RegistryName(Reference.parse(text.removeprefix("docker://")))
