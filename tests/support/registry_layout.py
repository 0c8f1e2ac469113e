"""A scripted registry with an image of a layout in it, whose blobs can be made to misbehave."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from imgfetch.oci.digest import Digest
from tests.support.images import WrittenImage
from tests.support.registry_content import blob
from tests.support.registry_server import Answer, Responder


def routes(
    layout: Path,
    image: WrittenImage,
    *,
    repository: str = "app",
    tag: str = "1",
    blobs: Mapping[Digest, Responder] | None = None,
) -> dict[str, Responder]:
    """A whole registry with nothing but one image.

    Args:
        layout: where the image was written.
        image: the image.
        repository: its repository.
        tag: its tag.
        blobs: other answers for some of its blobs.
    """
    manifest = Answer(
        200,
        _read(layout, image.digest),
        {
            "Content-Type": image.descriptor.media_type,
            "Docker-Content-Digest": str(image.digest),
        },
    )
    table: dict[str, Responder] = {"GET /v2/": Answer()}
    for method in ("GET", "HEAD"):
        table[f"{method} /v2/{repository}/manifests/{tag}"] = manifest
        table[f"{method} /v2/{repository}/manifests/{image.digest}"] = manifest
    for descriptor in (image.config, *image.layers):
        answer = (blobs or {}).get(descriptor.digest) or blob(_read(layout, descriptor.digest))
        table[f"GET /v2/{repository}/blobs/{descriptor.digest}"] = answer
    return table


def _read(layout: Path, digest: Digest) -> bytes:
    return (layout / "blobs" / digest.algorithm / digest.encoded).read_bytes()
