"""Images in memory, of layers byte by byte: for verbs that read layers and write nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, BinaryIO

from imgfetch.cas.memory import MemoryStore
from imgfetch.oci import mediatype
from imgfetch.oci.config import ImageConfig
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import DiffID, Digest
from imgfetch.oci.image import Image
from imgfetch.oci.manifest import Manifest, parse
from tests.support.compression import Compression, compress
from tests.support.documents import config, encode, manifest
from tests.support.incoming import Incoming
from tests.support.sources import RecordedProgress


class CountingStore(MemoryStore):
    """Remembers what was opened.

    Attributes:
        opened: digests, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[Digest] = []

    def open(self, descriptor: Descriptor) -> BinaryIO:
        self.opened.append(descriptor.digest)
        return super().open(descriptor)


@dataclass(frozen=True, slots=True)
class MemoryImages:
    """Makes images.

    Attributes:
        store: where their layers are.
        progress: what was told meanwhile.
    """

    store: CountingStore = field(default_factory=CountingStore)
    progress: RecordedProgress = field(default_factory=RecordedProgress)

    def image(self, *streams: bytes, compression: Compression = "none", **fields: Any) -> Image:
        """An image of layers that are given as tar streams.

        Args:
            *streams: not compressed, lowest first.
            compression: how they are stored.
            **fields: of the config document.
        """
        descriptors = []
        for stream in streams:
            incoming = Incoming.of(compress(stream, compression))
            self.store.ingest(incoming.content, self.progress)
            stored = incoming.descriptor
            descriptors.append(Descriptor(mediatype.OCI_LAYER, stored.digest, stored.size))
        diff_ids = [str(DiffID(Digest.of(stream))) for stream in streams]
        document = config(rootfs={"type": "layers", "diff_ids": diff_ids}, **fields)
        raw_config = encode(document)
        raw = encode(
            manifest(
                config=Descriptor.of(raw_config, mediatype.OCI_CONFIG).to_json(),
                layers=[descriptor.to_json() for descriptor in descriptors],
            )
        )
        top = Descriptor.of(raw, mediatype.OCI_MANIFEST)
        parsed = parse(raw, top.media_type)
        assert isinstance(parsed, Manifest)
        return Image(top, parsed, ImageConfig.from_json(raw_config))
