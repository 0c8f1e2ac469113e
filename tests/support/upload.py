"""Puts images of a layout into a registry as they are.

No tool is in between that could repair, convert or leave out what a test is about.
"""

from __future__ import annotations

import http.client
import json
from pathlib import Path

from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import Digest


def upload(host: str, layout: Path, top: Descriptor, repository: str, tag: str) -> str:
    """Uploads an index or a manifest with all that it names.

    Args:
        host: of a registry that speaks plain HTTP.
        layout: where the content is.
        top: what to upload.
        repository: the repository's path.
        tag: its name there.

    Returns:
        The reference, with the tag.
    """
    connection = http.client.HTTPConnection(host, timeout=20)
    try:
        _put_document(connection, layout, top, repository, tag)
    finally:
        connection.close()
    return f"{host}/{repository}:{tag}"


def _put_document(
    connection: http.client.HTTPConnection,
    layout: Path,
    descriptor: Descriptor,
    repository: str,
    reference: str,
) -> None:
    raw = _read(layout, descriptor.digest)
    document = json.loads(raw)
    for entry in document.get("manifests", ()):
        child = Descriptor(entry["mediaType"], Digest.parse(entry["digest"]), entry["size"])
        _put_document(connection, layout, child, repository, str(child.digest))
    if descriptor.media_type in mediatype.MANIFESTS:
        for blob in (document["config"], *document["layers"]):
            _put_blob(connection, layout, Digest.parse(blob["digest"]), repository)
    path = f"/v2/{repository}/manifests/{reference}"
    _request(connection, "PUT", path, raw, {"Content-Type": descriptor.media_type})


def _put_blob(
    connection: http.client.HTTPConnection, layout: Path, digest: Digest, repository: str
) -> None:
    location = _request(connection, "POST", f"/v2/{repository}/blobs/uploads/")
    separator = "&" if "?" in location else "?"
    path = location.partition(connection.host)[2].partition("/")[2]
    headers = {"Content-Type": "application/octet-stream"}
    _request(
        connection, "PUT", f"/{path}{separator}digest={digest}", _read(layout, digest), headers
    )


def _request(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
) -> str:
    """Sends a request that has to succeed, and returns the ``Location`` of what it made."""
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    answer = response.read()
    if response.status not in {201, 202}:
        message = f"{method} {path}: {response.status} {answer[:500]!r}"
        raise AssertionError(message)
    return response.headers["Location"] or ""


def _read(layout: Path, digest: Digest) -> bytes:
    return (layout / "blobs" / digest.algorithm / digest.encoded).read_bytes()
