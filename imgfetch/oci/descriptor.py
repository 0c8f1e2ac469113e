"""Descriptors: image-spec descriptor.md.

A descriptor's ``urls`` and ``data`` are kept out of sight on purpose: the first made
clients send credentials to strangers (CVE-2020-15157), the second would be content
that nobody has verified.
"""

from __future__ import annotations

from imgfetch.lean.dataclasses import dataclass, field
from imgfetch.lean.typing import TYPE_CHECKING, Any
from imgfetch.oci import mediatype
from imgfetch.oci.digest import Digest
from imgfetch.oci.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgfetch.oci.document import Object

REF_NAME = "org.opencontainers.image.ref.name"

# Without a media type, the document that is fetched has to tell.
_IMAGE_DOCUMENTS = mediatype.INDEXES | mediatype.MANIFESTS | {""}


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
            digest=value.digest("digest"),
            size=value.integer("size"),
            annotations=value.string_map("annotations"),
            platform=None if platform is None else Platform.from_object(platform),
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
            document["platform"] = self.platform.to_json()
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

    @property
    def may_be_image(self) -> bool:
        """Whether an index's entry leads to an image, as far as the index tells.

        image-index.md: entries of unknown media types are ignored, not refused.
        """
        return (
            self.media_type in _IMAGE_DOCUMENTS
            and (not self.artifact_type or self.artifact_type in mediatype.CONFIGS)
            and not self.is_attestation
        )
