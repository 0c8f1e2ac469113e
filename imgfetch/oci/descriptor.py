"""Descriptors: image-spec descriptor.md.

A descriptor's ``urls`` and ``data`` are kept out of sight on purpose: the first made
clients send credentials to strangers (CVE-2020-15157), the second would be content
that nobody has verified.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imgfetch.oci.digest import Digest
from imgfetch.oci.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgfetch.oci.document import Object

REF_NAME = "org.opencontainers.image.ref.name"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What some content is, how long it is and what its digest is.

    Attributes:
        media_type: as written, not normalised.
        digest: of the raw bytes.
        size: in bytes.
        annotations: free-form; never acted on beyond `REF_NAME`.
        platform: for the entries of an index.
        artifact_type: for the entries of an index that are artifacts.
    """

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict, compare=False)
    platform: Platform | None = None
    artifact_type: str | None = None

    @classmethod
    def of(cls, raw: bytes, media_type: str) -> Descriptor:
        """The descriptor of some bytes at hand."""
        return cls(media_type, Digest.of(raw), len(raw))

    @classmethod
    def from_object(cls, value: Object) -> Descriptor:
        """Read a descriptor.

        Raises:
            DocumentError: a field is missing or of a wrong type.
            InvalidDigestError: the digest is outside the grammar.
        """
        platform = value.optional_object("platform")
        return cls(
            media_type=value.string("mediaType", ""),
            digest=Digest.parse(value.string("digest")),
            size=value.integer("size"),
            annotations=value.string_map("annotations"),
            platform=Platform.from_object(platform) if platform else None,
            artifact_type=value.optional_string("artifactType"),
        )

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON has them, for documents that we write."""
        document: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
        }
        if self.artifact_type is not None:
            document["artifactType"] = self.artifact_type
        if self.platform is not None:
            platform = {"architecture": self.platform.architecture, "os": self.platform.os}
            if self.platform.variant:
                platform["variant"] = self.platform.variant
            if self.platform.os_version:
                platform["os.version"] = self.platform.os_version
            document["platform"] = platform
        if self.annotations:
            document["annotations"] = dict(sorted(self.annotations.items()))
        return document

    @property
    def ref_name(self) -> str | None:
        """The name of an entry of a layout's ``index.json``."""
        return self.annotations.get(REF_NAME)

    @property
    def is_attestation(self) -> bool:
        """Whether an index's entry is a BuildKit attestation, and no image."""
        if "vnd.docker.reference.type" in self.annotations:
            return True
        return self.platform is not None and (
            self.platform.os == "unknown" or self.platform.architecture == "unknown"
        )
