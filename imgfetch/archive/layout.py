"""``oci:`` and ``oci-archive:``: an image in an OCI layout (image-spec image-layout.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.archive.members import read_document, unverified
from imgfetch.errors import NotInStoreError, UsageError
from imgfetch.oci import layout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgfetch.archive.members import Members
    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.unverified import Unverified

# What docker and containerd call an image beside the bare tag in the reference name.
CONTAINERD_NAME = "io.containerd.image.name"

_LISTED = 20


class LayoutSource:
    """A source: see `imgfetch.interfaces.Source`.

    Args:
        members: the layout's files.
        name: the image's name, for people and errors.
        ref: the entry of ``index.json``: a reference name or a digest; None where there is
            only one.
    """

    def __init__(self, members: Members, name: str, ref: str | None) -> None:
        self.name = name
        self._members = members
        self._ref = ref

    def resolve(self) -> Unverified:
        """See `imgfetch.interfaces.Source`.

        Raises:
            NotInStoreError: no layout, no image in it, or none of that name.
            UsageError: there are several, and no name tells which.
            ContentError: the layout's own documents are malformed.
        """
        return self.fetch(choose(self.name, self._ref, self._entries()))

    def _entries(self) -> tuple[Descriptor, ...]:
        if self._members.size(layout.MARKER) is None:
            message = f"{self.name} is not an OCI image layout: it has no {layout.MARKER}"
            raise NotInStoreError(message)
        return read_entries(self._members)

    def fetch(self, descriptor: Descriptor) -> Unverified:
        """See `imgfetch.interfaces.Source`."""
        return unverified(self._members, layout.blob_path(descriptor.digest), descriptor)

    def close(self) -> None:
        """See `imgfetch.interfaces.Source`."""
        self._members.close()


def read_entries(members: Members) -> tuple[Descriptor, ...]:
    """The entries of a layout's ``index.json``.

    Raises:
        NotInStoreError: a document is missing.
        ContentError: a document is malformed, or of another version.
    """
    marker = read_document(members, layout.MARKER, layout.MARKER_LIMIT)
    layout.check_marker(marker, members.where)
    raw = read_document(members, layout.INDEX, layout.INDEX_LIMIT)
    return layout.LayoutIndex.from_json(raw, members.where).entries


def choose(name: str, ref: str | None, entries: Iterable[Descriptor]) -> Descriptor:
    """The one entry that is meant.

    Raises:
        NotInStoreError: there is none.
        UsageError: there are several.
    """
    everything = {(entry.ref_name, entry.digest): entry for entry in entries}
    found = [entry for entry in everything.values() if ref is None or ref in _names(entry)]
    if len({entry.digest for entry in found}) == 1:
        return found[0]
    labels = [_label(entry) for entry in (found or everything.values())]
    candidates = listing(labels)
    if not everything:
        message = f"{name}: there is no image in it"
        raise NotInStoreError(message)
    if not found:
        message = f"{name}: there is no such image in it"
        raise NotInStoreError(message, actual=candidates)
    message = f"{name}: there are several images in it"
    hint = "add :REF, a name or a digest of these" if ref is None else "name one by its digest"
    raise UsageError(message, actual=candidates, hint=hint)


def listing(labels: list[str]) -> str:
    """Some names for an error message."""
    more = f" and {len(labels) - _LISTED} more" if len(labels) > _LISTED else ""
    return ", ".join(label[:200] for label in labels[:_LISTED]) + more


def _names(entry: Descriptor) -> tuple[str | None, ...]:
    return (entry.ref_name, entry.annotations.get(CONTAINERD_NAME), str(entry.digest))


def _label(entry: Descriptor) -> str:
    name = entry.ref_name
    return str(entry.digest) if name is None else f"{name!r} ({entry.digest.short})"
