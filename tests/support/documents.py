"""Manifests, indexes and configs as JSON documents: well-formed until a test bends them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from imgfetch.oci import mediatype

Document = dict[str, Any]


def digest(text: str) -> str:
    """The digest of a text: something to tell contents apart by."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def encode(document: object) -> bytes:
    """A document's bytes."""
    return json.dumps(document).encode()


def descriptor(media_type: str, text: str = "content", **fields: Any) -> Document:
    """A descriptor of a text; ``fields`` are added or take the place of its own."""
    return {"mediaType": media_type, "digest": digest(text), "size": len(text), **fields}


def layer(text: str = "layer", media_type: str = mediatype.OCI_LAYER_GZIP) -> Document:
    """A layer's descriptor."""
    return descriptor(media_type, text)


def platform_entry(platform: str, **fields: Any) -> Document:
    """An index's entry for ``os/architecture[/variant]``."""
    os, architecture, *variant = platform.split("/")
    described = {"os": os, "architecture": architecture}
    if variant:
        described["variant"] = variant[0]
    return descriptor(mediatype.OCI_MANIFEST, platform, **{"platform": described, **fields})


def manifest(**fields: Any) -> Document:
    """An OCI manifest with one layer."""
    return {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_MANIFEST,
        "config": descriptor(mediatype.OCI_CONFIG, "config"),
        "layers": [layer()],
        **fields,
    }


def index(**fields: Any) -> Document:
    """An OCI index with two platforms."""
    return {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_INDEX,
        "manifests": [platform_entry("linux/amd64"), platform_entry("linux/arm64")],
        **fields,
    }


def config(**fields: Any) -> Document:
    """An image's config with one layer."""
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [digest("layer's stream")]},
        **fields,
    }


def without(document: Document, *names: str) -> Document:
    """The same document without some fields."""
    return {name: value for name, value in document.items() if name not in names}
