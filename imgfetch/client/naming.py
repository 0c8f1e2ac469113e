"""Under which reference an image is kept."""

from __future__ import annotations

import os

from imgfetch.errors import NotInStoreError
from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.oci.reference import Reference, Repository
from imgfetch.oci.transport import PathName, StoreName, parse_image_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.transport import ImageName


def parse_name(text: str, environment: Mapping[str, str]) -> list[ImageName]:
    """Parse an image name, with what the user's configuration says of short names.

    As with other tools ``docker://alpine`` is what it says, whatever ``alpine`` stands for.

    Returns:
        What it may stand for, the first choice first; one for all but short names.

    Raises:
        InvalidReferenceError: outside the grammar, or short where that is not allowed.
        UsageError: the configuration can't be read.
    """
    parsed = parse_image_name(text)
    if isinstance(parsed, PathName) or text.startswith("docker://"):
        return [parsed]
    prefix = "store:" if isinstance(parsed, StoreName) else ""
    name = text.removeprefix(prefix)
    host, slash, _ = name.partition("/")
    if slash and ("." in host or ":" in host or host == "localhost"):
        return [parsed]
    from imgfetch.client.aliases import candidates

    return [parse_image_name(prefix + one) for one in candidates(name, environment)]


def reference_of(name: ImageName) -> Reference:
    """A name's reference, for names that have one.

    Raises:
        NotInStoreError: it is a path.
    """
    if isinstance(name, PathName):
        message = f"{name} is no name in the store"
        raise NotInStoreError(message)
    return name.reference


def stored_reference(name: ImageName, top: Descriptor) -> Reference:
    """The reference under which an image is kept.

    Images of layouts and archives keep the name they carry when it names a registry,
    and are ``localhost/…`` otherwise, as in podman.
    """
    if not isinstance(name, PathName):
        return name.reference
    carried = next((text for text in (top.ref_name, name.ref) if text and "/" in text), None)
    if carried is not None:
        return Reference.parse(carried)
    carried = name.ref or top.ref_name
    repository, _, tag = (carried or "").rpartition(":")
    return Reference(local_repository(repository or stem(name.path)), tag or "latest")


def local_repository(name: str) -> Repository:
    """Where images are kept that name no registry."""
    return Repository("localhost", name)


def stem(path: str) -> str:
    """What a file is called, as part of a reference."""
    name = os.path.basename(path.rstrip("/")).partition(".")[0].lower()
    plain = "".join(char if char.isascii() and char.isalnum() else "-" for char in name)
    return plain.strip("-") or "image"
