"""What refers to a manifest: the referrers API, and the tag that stands in for it.

distribution-spec "Listing Referrers" and "Unavailable Referrers API": registries without
the API keep an index under the tag ``sha256-…``, which clients maintain.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from imgfetch.errors import NotFoundError
from imgfetch.oci import manifest, mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.document import MANIFEST_LIMIT
from imgfetch.oci.manifest import Index, Manifest

if TYPE_CHECKING:
    from imgfetch.oci.digest import Digest
    from imgfetch.registry.repository import PlacedRepository
    from imgfetch.registry.response import Response

_TAG_LIMIT = 128


def referrers(
    repository: PlacedRepository, digest: Digest, artifact_type: str = ""
) -> tuple[Descriptor, ...]:
    """The manifests whose subject is a digest.

    They are what the registry says: each has to be fetched and verified like any other.

    Args:
        repository: where.
        digest: of the subject.
        artifact_type: only those of this type; "" for all.

    Raises:
        ImgfetchError: as `Endpoint.request`.
    """
    found = _by_api(repository, digest, artifact_type)
    if found is None:
        index = _by_tag(repository, digest)
        found = index.manifests if index is not None else ()
    # Registries may filter, and need not.
    return tuple(
        entry for entry in found if not artifact_type or entry.artifact_type == artifact_type
    )


def fallback_tag(digest: Digest) -> str:
    """The tag that stands in for the API."""
    return f"{digest.algorithm}-{digest.encoded}"[:_TAG_LIMIT]


def with_entry(
    repository: PlacedRepository, document: Manifest | Index, descriptor: Descriptor
) -> tuple[Index, Descriptor] | None:
    """The index under the fallback tag, with one more entry.

    Returns:
        The index and its descriptor; None where the entry is in it already.
    """
    if document.subject is None:
        return None
    current = _by_tag(repository, document.subject.digest)
    entries = current.manifests if current is not None else ()
    if any(entry.digest == descriptor.digest for entry in entries):
        return None
    kind = document.artifact_type
    if kind is None and isinstance(document, Manifest):
        kind = document.config.media_type
    entry = Descriptor(
        descriptor.media_type,
        descriptor.digest,
        descriptor.size,
        document.annotations,
        artifact_type=kind,
    )
    listed = [*entries, entry]
    raw = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": mediatype.OCI_INDEX,
            "manifests": [item.to_json() for item in listed],
        }
    ).encode()
    return Index(raw, mediatype.OCI_INDEX, tuple(listed)), Descriptor.of(raw, mediatype.OCI_INDEX)


def _by_api(
    repository: PlacedRepository, digest: Digest, artifact_type: str
) -> tuple[Descriptor, ...] | None:
    """What the API says; None where there is no API."""
    endpoint = repository.endpoint.get()
    subject = f"referrers of {digest}"
    target = f"{repository.place.api}/{repository.place.repository}/referrers/{digest}"
    if artifact_type:
        target += f"?artifactType={quote(artifact_type, safe='')}"

    def read(response: Response) -> bytes:
        return endpoint.read_document(response, MANIFEST_LIMIT, subject)

    try:
        raw = endpoint.request(
            "GET",
            target,
            what=subject,
            scope=repository.scope,
            read=read,
            headers={"Accept": mediatype.OCI_INDEX},
        )
    except NotFoundError:
        return None
    parsed = manifest.parse(raw, mediatype.OCI_INDEX, subject)
    return parsed.manifests if isinstance(parsed, Index) else ()


def _by_tag(repository: PlacedRepository, digest: Digest) -> Index | None:
    tag = fallback_tag(digest)
    try:
        raw, response = repository.manifest(tag, f"referrers of {digest}")
    except NotFoundError:
        return None
    parsed = manifest.parse(raw, response.header("Content-Type"), f"referrers of {digest}")
    return parsed if isinstance(parsed, Index) else None
