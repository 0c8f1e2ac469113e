"""OCI image layouts: the documents and names of image-spec image-layout.md.

``index.json`` belongs to every tool that writes to the layout: entries and fields that mean
nothing to us stay as they are when an entry of ours changes. Other versions of the layout
are refused rather than guessed at.
"""

from __future__ import annotations

from imgfetch.errors import InvalidDigestError, UnsupportedContentError
from imgfetch.lean import json
from imgfetch.lean.contextlib import suppress
from imgfetch.lean.dataclasses import replace
from imgfetch.lean.typing import TYPE_CHECKING, Any
from imgfetch.oci.descriptor import REF_NAME, Descriptor
from imgfetch.oci.document import Object, load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from imgfetch.oci.digest import Digest

MARKER = "oci-layout"
INDEX = "index.json"
BLOBS = "blobs"

PINNED = "io.imgfetch.pinned"
"""Annotation of an entry whose name is removed by hand only; other tools leave it alone."""

VERSION = "1.0.0"
MARKER_DOCUMENT = json.dumps({"imageLayoutVersion": VERSION}).encode()
MARKER_LIMIT = 64 << 10
# Ten thousand entries of two names each.
INDEX_LIMIT = 16 << 20


def blob_path(digest: Digest) -> str:
    """Where a blob is, relative to the layout."""
    return f"{BLOBS}/{digest.algorithm}/{digest.encoded}"


def check_marker(raw: bytes, where: str) -> None:
    """Refuse a layout of another version.

    Args:
        raw: the content of ``oci-layout``.
        where: the layout, for errors.

    Raises:
        DocumentError: malformed.
        UnsupportedContentError: another version.
    """
    document = load(raw, f"{where}: {MARKER}", limit=MARKER_LIMIT)
    version = document.string("imageLayoutVersion")
    if version != VERSION:
        message = f"{where} is an image layout of another version"
        raise UnsupportedContentError(
            message,
            expected=VERSION,
            actual=repr(version[:40]),
            hint="a newer tool may have written it: nothing was changed",
        )


class LayoutIndex:
    """The content of ``index.json``.

    An entry is parsed when it is asked for: a thousand names take their time, and most
    commands want one of them.

    Args:
        document: all of it, as decoded.

    Raises:
        DocumentError: it has no list of objects.
    """

    __slots__ = ("_objects", "_parsed", "document")

    def __init__(self, document: Object) -> None:
        self.document = document
        self._objects = document.objects("manifests")
        self._parsed: tuple[tuple[Descriptor, ...], int] | None = None

    @property
    def entries(self) -> tuple[Descriptor, ...]:
        """Those whose digests we can check, in order.

        Raises:
            DocumentError: one is malformed.
        """
        return self._all()[0]

    @property
    def foreign(self) -> int:
        """How many others there are.

        Raises:
            DocumentError: one is malformed.
        """
        return self._all()[1]

    def _all(self) -> tuple[tuple[Descriptor, ...], int]:
        if self._parsed is None:
            entries = tuple(_parsed(self._objects))
            self._parsed = entries, len(self._objects) - len(entries)
        return self._parsed

    @classmethod
    def from_json(cls, raw: bytes, where: str) -> LayoutIndex:
        """Parse an ``index.json``; ``"manifests": null`` means none (umoci wrote that).

        Args:
            raw: the document's bytes.
            where: the layout, for errors.

        Raises:
            DocumentError: malformed.
        """
        return cls(load(raw, f"{where}: {INDEX}", limit=INDEX_LIMIT))

    @classmethod
    def empty(cls) -> LayoutIndex:
        """The index of a new layout."""
        return cls(Object({"schemaVersion": 2, "manifests": []}, INDEX))

    def to_json(self) -> bytes:
        """The document's bytes."""
        return json.dumps(self.document.value, separators=(",", ":")).encode()

    def named(self, name: str) -> list[Descriptor]:
        """The entries of a name: one, if all is well.

        Raises:
            DocumentError: one of them is malformed.
        """
        return list(_parsed(one for one in self._objects if _is_named(one.value, name)))

    def announced(self, digest: Digest) -> Descriptor | None:
        """The first entry for a digest.

        Raises:
            DocumentError: it is malformed.
        """
        text = str(digest)
        found = _parsed(one for one in self._objects if one.value.get("digest") == text)
        return next(found, None)

    def with_entry(self, name: str, descriptor: Descriptor) -> LayoutIndex:
        """The same with one entry of this name, in the place of the first there was.

        Annotations of the descriptor are left out: they may be names that other tools
        (containerd, docker) would take for this image's. A name that is pinned stays so.
        """
        pinned = any(is_pinned(entry) for entry in self.named(name))
        return self._with_entry(name, descriptor, pinned=pinned)

    def with_pin(self, name: str, *, pinned: bool) -> LayoutIndex:
        """The same with a name that is pinned, or is not; other names stay as they are."""
        found = self.named(name)
        return self._with_entry(name, found[0], pinned=pinned) if found else self

    def _with_entry(self, name: str, descriptor: Descriptor, *, pinned: bool) -> LayoutIndex:
        annotations = {REF_NAME: name} | ({PINNED: "true"} if pinned else {})
        entry = replace(descriptor, annotations=annotations).to_json()
        entries = self._raw_entries()
        places = [place for place, other in enumerate(entries) if _is_named(other, name)]
        kept = [other for other in entries if not _is_named(other, name)]
        kept.insert(places[0] if places else len(kept), entry)
        return self._with(kept)

    def without_entry(self, name: str) -> LayoutIndex:
        """The same without the entries of this name."""
        return self._with([other for other in self._raw_entries() if not _is_named(other, name)])

    def _raw_entries(self) -> list[dict[str, Any]]:
        return list(self.document.value.get("manifests") or ())

    def _with(self, entries: list[dict[str, Any]]) -> LayoutIndex:
        value = {**self.document.value, "manifests": entries}
        return LayoutIndex(Object(value, self.document.where))


def _parsed(objects: Iterable[Object]) -> Iterator[Descriptor]:
    for one in objects:
        with suppress(InvalidDigestError):
            yield Descriptor.from_object(one)


def is_pinned(entry: Descriptor) -> bool:
    """Whether the name of an entry is removed by hand only."""
    return entry.annotations.get(PINNED) == "true"


def _is_named(entry: Mapping[str, Any], name: str) -> bool:
    # A foreign entry was not read as a descriptor: its annotations may be anything.
    annotations = entry.get("annotations")
    return isinstance(annotations, dict) and annotations.get(REF_NAME) == name
