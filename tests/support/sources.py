"""A source in memory: it hands out what it was given, and counts what was asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

from imgfetch.errors import NotFoundError
from imgfetch.interfaces import Stage
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import Digest
from imgfetch.oci.document import Object
from imgfetch.oci.unverified import Unverified


@dataclass(slots=True)
class FakeSource:
    """A source whose content is a dict.

    Attributes:
        top: what `resolve` gives.
        blobs: content by digest.
        name: see `imgfetch.interfaces.Source`.
        fetched: digests whose transfer began, in order.
        closed: whether `close` was called.
        on_chunk: called before each chunk; raises to break a transfer.
    """

    top: Descriptor
    blobs: dict[Digest, bytes]
    name: str = "fake"
    fetched: list[Digest] = field(default_factory=list)
    closed: bool = False
    on_chunk: Callable[[Descriptor, int], None] = lambda _descriptor, _offset: None

    def resolve(self) -> Unverified:
        return self.fetch(self.top)

    def fetch(self, descriptor: Descriptor) -> Unverified:
        def chunks(offset: int) -> Generator[bytes, None, None]:
            self.fetched.append(descriptor.digest)
            if descriptor.digest not in self.blobs:
                message = f"{descriptor.digest} not found"
                raise NotFoundError(message)
            blob = self.blobs[descriptor.digest]
            for start in range(offset, len(blob), 1024):
                self.on_chunk(descriptor, start)
                yield blob[start : start + 1024]

        return Unverified(descriptor, chunks, self.name)

    def close(self) -> None:
        self.closed = True


def source_of_layout(layout: Path, ref: str) -> FakeSource:
    """The content of a layout's directory, with the entry of a name on top."""
    blobs = {
        Digest(path.parent.name, path.name): path.read_bytes()
        for path in (layout / "blobs").glob("*/*")
    }
    index = json.loads((layout / "index.json").read_bytes())
    entries = [Descriptor.from_object(Object(entry, "index")) for entry in index["manifests"]]
    top = next(entry for entry in entries if entry.ref_name == ref)
    return FakeSource(Descriptor(top.media_type, top.digest, top.size), blobs)


@dataclass(slots=True)
class RecordedProgress:
    """Remembers what it was told."""

    stages: list[tuple[Digest, Stage]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def update(self, descriptor: Descriptor, stage: Stage, done: int) -> None:
        self.stages.append((descriptor.digest, stage))

    def warn(self, message: str) -> None:
        self.warnings.append(message)
