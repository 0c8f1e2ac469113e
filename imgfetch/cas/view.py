"""What is in a store at one moment, and what leads to what.

A document is read once in the store's life, and what it says is kept in its catalog. What is
there is found out anew each time, by the names of files: their content is for those to verify
who use it.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Protocol

from imgfetch.cas.catalog import Config, Document, Entry
from imgfetch.errors import ContentError, ImgfetchError, NotInStoreError, StoreCorruptError
from imgfetch.oci import mediatype
from imgfetch.oci.config import ImageConfig
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import DiffID, Digest, chain_id
from imgfetch.oci.document import CONFIG_LIMIT, MANIFEST_LIMIT
from imgfetch.oci.image import Image
from imgfetch.oci.manifest import Index, Manifest, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from imgfetch.cas.catalog import Catalog

_DOCUMENTS = mediatype.INDEXES | mediatype.MANIFESTS | mediatype.GENERIC


class DocumentReader(Protocol):
    """Gives documents: the part of a `ContentStore` that tells what leads where."""

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        """See `imgfetch.interfaces.ContentStore`."""
        ...

    def digests(self) -> set[str]:
        """See `imgfetch.cas.reader.LayoutReader`."""
        ...


class View:
    """A store at the moment when this is made.

    Args:
        content: the store, with read-only ones.
        catalog: what is known of documents.
    """

    def __init__(self, content: DocumentReader, catalog: Catalog) -> None:
        self._content = content
        self._catalog = catalog
        self._present = content.digests()

    def has(self, digest: str) -> bool:
        """Whether some content is there, by its name."""
        return digest in self._present

    def document(self, entry: Entry) -> Document | None:
        """What an entry leads to; None where it is no document, or not there.

        Raises:
            ContentError: it is malformed.
            StoreCorruptError: it is damaged.
        """
        if entry.digest not in self._present:
            return None
        known = self._catalog.get(entry)
        if known is None or not known.settled:
            if mediatype.normalize(entry.media_type) not in _DOCUMENTS:
                return None
            try:
                known = self._read(entry)
            except NotInStoreError:
                return None
            self._catalog.put(entry, known)
        return known

    def images(self, top: Entry) -> Iterator[tuple[str, Config, Mapping[str, int]]]:
        """The images below an entry whose documents are there, each once.

        Attestations, artifacts and what can't be read are left out.

        Yields:
            The digest, what the config says, and config and layers with their sizes.
        """
        seen: set[str] = set()
        waiting = [top]
        while waiting:
            entry = waiting.pop()
            if entry.digest in seen:
                continue
            seen.add(entry.digest)
            try:
                document = self.document(entry)
            except ImgfetchError:
                continue
            if document is None:
                continue
            waiting += [one for one in document.manifests[::-1] if not one.attestation]
            if document.config is not None and next(iter(document.blobs)) in self._present:
                yield entry.digest, document.config, document.blobs

    def reach(self, entries: Iterable[Entry]) -> dict[str, int]:
        """All that entries lead to, themselves included, with their sizes.

        Raises:
            StoreCorruptError: a document can't be read, so that nobody knows what it leads to.
        """
        reached: dict[str, int] = {}
        seen: set[Entry] = set()
        waiting = list(entries)
        while waiting:
            entry = waiting.pop()
            if entry in seen:
                continue
            seen.add(entry)
            reached[entry.digest] = entry.size
            try:
                document = self.document(entry)
            except ContentError as error:
                message = f"can't tell what {entry.digest} leads to: {error.message}"
                raise StoreCorruptError(message, hint="nothing was deleted") from error
            if document is not None:
                reached.update(document.blobs)
                waiting += document.manifests
        return reached

    def _read(self, entry: Entry) -> Document:
        descriptor = Descriptor(entry.media_type, Digest.parse(entry.digest), entry.size)
        raw = self._content.read(descriptor, MANIFEST_LIMIT)
        document = parse(raw, entry.media_type, f"manifest {entry.digest}")
        if isinstance(document, Index):
            return Document(tuple(map(Entry.of, document.manifests)), {})
        config, settled = self._config(descriptor, document)
        blobs = (document.config, *document.layers)
        return Document((), {str(one.digest): one.size for one in blobs}, config, settled)

    def _config(self, descriptor: Descriptor, manifest: Manifest) -> tuple[Config | None, bool]:
        if not manifest.is_image:
            return None, True
        what = f"config {manifest.config.digest}"
        try:
            raw = self._content.read(manifest.config, CONFIG_LIMIT)
            image = Image(descriptor, manifest, ImageConfig.from_json(raw, what))
        except (NotInStoreError, StoreCorruptError):
            return None, False
        except ContentError:
            return None, True
        chains = accumulate(
            image.config.diff_ids, lambda chain, diff_id: DiffID(chain_id((chain, diff_id)))
        )
        names = tuple(chain.encoded for chain in chains)
        return Config(str(image.config.platform), image.size, names), True
