"""Manifests and indexes, of OCI and of Docker's schema 2.

The raw bytes stay beside the parsed values: digests are of raw bytes, and what goes
out again is what came in. A body that could be read as both kinds, or whose own
``mediaType`` differs from what it was announced as, is refused
(CVE-2021-41190; distribution-spec "Pulling manifests").
"""

from __future__ import annotations

from imgfetch.errors import DocumentError, UnsupportedContentError
from imgfetch.lean.dataclasses import dataclass, field
from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.document import MANIFEST_LIMIT, Object, load

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMA_VERSION = 2


@dataclass(frozen=True, slots=True)
class Manifest:
    """One platform's image, or an artifact.

    Attributes:
        raw: the document's bytes.
        media_type: OCI's or Docker's manifest type.
        config: the config blob.
        layers: the layers, lowest first.
        artifact_type: for what is no image.
        subject: what this refers to.
        annotations: free-form.
    """

    raw: bytes = field(repr=False)
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    artifact_type: str | None = None
    subject: Descriptor | None = None
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def is_image(self) -> bool:
        """Whether the config is an image's and each layer a changeset."""
        return self.config.media_type in mediatype.CONFIGS and all(
            mediatype.is_layer(layer.media_type) for layer in self.layers
        )


@dataclass(frozen=True, slots=True)
class Index:
    """A list of manifests, mostly one for each platform.

    Attributes:
        raw: the document's bytes.
        media_type: OCI's index or Docker's manifest list type.
        manifests: the entries, in order.
        artifact_type: for what is no image.
        subject: what this refers to.
        annotations: free-form.
    """

    raw: bytes = field(repr=False)
    media_type: str
    manifests: tuple[Descriptor, ...]
    artifact_type: str | None = None
    subject: Descriptor | None = None
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)


def parse(raw: bytes, media_type: str = "", what: str = "manifest") -> Manifest | Index:
    """Parse a manifest or an index.

    Args:
        raw: the bytes, verified by the caller.
        media_type: what it was announced as: a descriptor's media type or a
            ``Content-Type``. Generic types count as no announcement.
        what: for errors.

    Raises:
        DocumentError: malformed, ambiguous, or of another type than announced.
        UnsupportedContentError: schema 1, or nothing that we know.
        InvalidDigestError: a descriptor's digest is outside the grammar.
    """
    document = load(raw, what, limit=MANIFEST_LIMIT)
    kind = _media_type(document, mediatype.normalize(media_type))
    subject = document.optional_object("subject")
    parsed_subject = None if subject is None else Descriptor.from_object(subject)
    artifact_type = document.optional_string("artifactType")
    annotations = document.string_map("annotations")
    if kind in mediatype.INDEXES:
        manifests = tuple(map(Descriptor.from_object, document.objects("manifests")))
        return Index(raw, kind, manifests, artifact_type, parsed_subject, annotations)
    config = Descriptor.from_object(document.object("config"))
    layers = tuple(map(Descriptor.from_object, document.objects("layers")))
    return Manifest(raw, kind, config, layers, artifact_type, parsed_subject, annotations)


def _media_type(document: Object, announced: str) -> str:
    """Decide what a document is, from what it says and what was said of it."""
    own = mediatype.normalize(document.string("mediaType", ""))
    _refuse_other_schemas(document, {own, announced})
    like_index = "manifests" in document
    like_manifest = "layers" in document or "config" in document
    specific = {own, announced} - mediatype.GENERIC
    if len(specific) > 1:
        message = f"{document.where}: its mediaType is not what it was announced as"
        raise DocumentError(
            message,
            expected=repr(announced[:100]),
            actual=repr(own[:100]),
        )
    by_structure = mediatype.OCI_INDEX if like_index else mediatype.OCI_MANIFEST
    kind = specific.pop() if specific else by_structure
    # Fields of both kinds break one of these whatever the document is called.
    if (like_index and kind in mediatype.MANIFESTS) or (
        like_manifest and kind in mediatype.INDEXES
    ):
        message = f"{document.where}: its fields are not those of {kind}"
        raise DocumentError(message)
    if kind not in mediatype.INDEXES | mediatype.MANIFESTS:
        message = f"{document.where}: media type {kind[:100]!r} is neither a manifest nor an index"
        raise UnsupportedContentError(message)
    return kind


def _refuse_other_schemas(document: Object, media_types: set[str]) -> None:
    # The specifications demand the field; documents without it are common enough.
    version = document.integer("schemaVersion") if "schemaVersion" in document else _SCHEMA_VERSION
    if version == 1 or media_types & mediatype.DOCKER_SCHEMA1:
        message = f"{document.where}: image manifest schema 1 is not supported"
        raise UnsupportedContentError(
            message,
            hint="push the image again with a current tool",
        )
    if version != _SCHEMA_VERSION:
        message = f"{document.where}: unknown schemaVersion"
        raise UnsupportedContentError(
            message,
            expected=_SCHEMA_VERSION,
            actual=version,
        )
