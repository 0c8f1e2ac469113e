"""Where a store keeps what, for tests that look or meddle."""

from __future__ import annotations

from pathlib import Path

from imgfetch.cas.directory import LayoutStore
from imgfetch.oci.descriptor import Descriptor


def blob_file(store: LayoutStore, descriptor: Descriptor) -> Path:
    """Content that is there."""
    return Path(store.path, "blobs", descriptor.digest.algorithm, descriptor.digest.encoded)


def partial_file(store: LayoutStore, descriptor: Descriptor) -> Path:
    """Content that is on its way."""
    return Path(store.path, "ingest", f"{_name(descriptor)}.partial")


def lock_file(store: LayoutStore, descriptor: Descriptor) -> Path:
    """What who fetches some content has locked."""
    return Path(store.path, "locks", f"{_name(descriptor)}.lock")


def _name(descriptor: Descriptor) -> str:
    return f"{descriptor.digest.algorithm}-{descriptor.digest.encoded}"
