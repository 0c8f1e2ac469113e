"""The lock file: what references stood for, by digest, in a TOML file that people can diff.

::

    version = 1

    [[image]]
    reference = "docker.io/library/alpine:3"
    digest = "sha256:…"      # of what the reference stands for: an index or a manifest
    mediaType = "application/vnd.oci.image.index.v1+json"

    [[image.platform]]
    platform = "linux/amd64"
    digest = "sha256:…"      # of the platform's manifest
    size = 3408123           # bytes of its config and layers

Images are sorted by reference and platforms by name, so that the same content is the same
file. What we don't know in it is refused: it may have been meant to restrict something.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from imgfetch.errors import (
    DocumentError,
    ImgfetchError,
    PolicyError,
    UnsupportedContentError,
)
from imgfetch.oci.digest import Digest
from imgfetch.oci.platform import Platform
from imgfetch.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.image import Image

VERSION = 1

_Value = TypeVar("_Value", str, int)

_HEAD = """\
# Images by digest. Written by: imgfetch lock
# Checked by: imgfetch lock --check; used by: imgfetch sync, and --locked of other commands.

"""


@dataclass(frozen=True, slots=True)
class LockedPlatform:
    """One platform's image.

    Attributes:
        platform: what it runs on.
        digest: of the manifest.
        size: bytes of its config and layers.
    """

    platform: Platform
    digest: Digest
    size: int

    @classmethod
    def of(cls, image: Image) -> LockedPlatform:
        """What a lock file says of an image."""
        # The index knows better: many configs leave the variant out.
        platform = image.descriptor.platform or image.config.platform
        return cls(platform, image.descriptor.digest, image.size)


@dataclass(frozen=True, slots=True)
class LockedImage:
    """What a reference stood for.

    Attributes:
        reference: as it was asked for, completed.
        digest: of an index or a manifest.
        media_type: of that.
        platforms: at least one, sorted by name.
    """

    reference: Reference
    digest: Digest
    media_type: str
    platforms: tuple[LockedPlatform, ...]

    @classmethod
    def of(cls, reference: Reference, top: Descriptor, images: Iterable[Image]) -> LockedImage:
        """What a lock file says of images that were just found."""
        found = {image.descriptor.digest: LockedPlatform.of(image) for image in images}
        platforms = sorted(found.values(), key=_by_platform)
        return cls(reference, top.digest, top.media_type, tuple(platforms))

    @property
    def pinned(self) -> Reference:
        """The digest that the reference stood for."""
        return self.reference.with_digest(self.digest)

    def check(self, top: Descriptor, images: Iterable[Image], where: str) -> None:
        """Refuse anything else than what is locked.

        Raises:
            PolicyError: another image, or one of another platform than those that are locked.
        """
        allowed = {platform.digest for platform in self.platforms}
        if top.digest not in {self.digest, *allowed}:
            message = f"{self.reference} is not what {where} says"
            raise PolicyError(message, expected=self.digest, actual=top.digest)
        for image in images:
            if image.descriptor.digest not in allowed:
                message = f"{self.reference} for {image.config.platform} is not in {where}"
                raise PolicyError(
                    message,
                    expected=", ".join(str(one.platform) for one in self.platforms),
                    actual=f"{image.config.platform}, {image.descriptor.digest}",
                    hint="to add it: imgfetch lock"
                    f" --platform {image.config.platform} {self.reference}",
                )


@dataclass(frozen=True, slots=True)
class LockFile:
    """The content of a lock file.

    Attributes:
        images: sorted by reference.
    """

    images: tuple[LockedImage, ...] = ()

    @classmethod
    def of(cls, images: Iterable[LockedImage]) -> LockFile:
        """A lock file of these images, in whatever order they come."""
        return cls(tuple(sorted(images, key=lambda image: str(image.reference))))

    @property
    def by_reference(self) -> dict[Reference, LockedImage]:
        """The images by their references."""
        return {image.reference: image for image in self.images}

    def find(self, reference: Reference, where: str) -> LockedImage:
        """What a reference is locked to.

        A reference by digest, with or without a tag, is found when its repository has that
        digest in the file.

        Raises:
            PolicyError: not in the file, or there with another digest.
        """
        found = self.by_reference.get(reference)
        if found is not None:
            return found
        for image in self.images:
            if reference.digest is not None and (
                image.reference.repository == reference.repository
                and reference.digest in {image.digest, *(one.digest for one in image.platforms)}
            ):
                return image
        message = f"{reference} is not in {where}"
        raise PolicyError(message, hint=f"to add it: imgfetch lock {reference}")

    def to_toml(self) -> bytes:
        """The file's bytes."""
        text = f"{_HEAD}version = {VERSION}\n" + "".join(map(_image_toml, self.images))
        return text.encode()

    @classmethod
    def from_toml(cls, raw: bytes, where: str) -> LockFile:
        """Read a lock file.

        Args:
            raw: its bytes.
            where: its name, for errors.

        Raises:
            DocumentError: malformed.
            UnsupportedContentError: of another version.
        """
        # A warm run without a lock file has no use for it.
        import tomllib

        try:
            document = tomllib.loads(raw.decode())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            message = f"lock file {where}: {error}"
            raise DocumentError(message) from error
        version = document.get("version")
        if version != VERSION:
            message = f"lock file {where} is of another version"
            raise UnsupportedContentError(message, expected=VERSION, actual=version)
        try:
            _refuse_unknown(document, {"version", "image"})
            images = [_image(entry) for entry in _tables(document, "image")]
            if len({image.reference for image in images}) != len(images):
                message = "a reference is there twice"
                raise DocumentError(message)
        except ImgfetchError as error:
            message = f"lock file {where}: {error.message}"
            raise DocumentError(message, expected=error.expected) from error
        return cls.of(images)


def _by_platform(locked: LockedPlatform) -> tuple[str, str]:
    return (str(locked.platform), str(locked.digest))


# Reading


def _image(entry: Mapping[str, Any]) -> LockedImage:
    _refuse_unknown(entry, {"reference", "digest", "mediaType", "platform"})
    platforms = [_platform(one) for one in _tables(entry, "platform")]
    text = _value(entry, "reference", str)
    reference = Reference.parse(text)
    if str(reference) != text:
        # Two spellings of one name would be two entries.
        message = f"reference {text!r} is not complete"
        raise DocumentError(message, expected=reference)
    if not platforms:
        message = f"{text} has no platforms"
        raise DocumentError(message)
    return LockedImage(
        reference,
        Digest.parse(_value(entry, "digest", str)),
        _value(entry, "mediaType", str),
        tuple(sorted(platforms, key=_by_platform)),
    )


def _platform(entry: Mapping[str, Any]) -> LockedPlatform:
    _refuse_unknown(entry, {"platform", "digest", "size"})
    size = _value(entry, "size", int)
    if size < 0:
        message = "'size' is negative"
        raise DocumentError(message)
    return LockedPlatform(
        Platform.parse(_value(entry, "platform", str)),
        Digest.parse(_value(entry, "digest", str)),
        size,
    )


def _tables(table: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    tables = table.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        message = f"{key!r} is not a list of tables"
        raise DocumentError(message)
    return tables


def _refuse_unknown(table: Mapping[str, Any], known: set[str]) -> None:
    for key in sorted(table.keys() - known):
        message = f"unknown key {key[:100]!r}"
        raise DocumentError(message, expected=", ".join(sorted(known)))


def _value(table: Mapping[str, Any], key: str, kind: type[_Value]) -> _Value:
    value = table.get(key)
    # Not isinstance: true is a number for that.
    if type(value) is not kind:
        message = f"{key!r} is missing" if value is None else f"{key!r} is of a wrong type"
        raise DocumentError(message)
    return value


# Writing


def _image_toml(image: LockedImage) -> str:
    lines = [
        "",
        "[[image]]",
        f"reference = {_quoted(str(image.reference))}",
        f"digest = {_quoted(str(image.digest))}",
        f"mediaType = {_quoted(image.media_type)}",
    ]
    for platform in image.platforms:
        lines += [
            "",
            "[[image.platform]]",
            f"platform = {_quoted(str(platform.platform))}",
            f"digest = {_quoted(str(platform.digest))}",
            f"size = {platform.size}",
        ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A TOML basic string: as JSON's, with DEL escaped too and nothing as surrogates."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
