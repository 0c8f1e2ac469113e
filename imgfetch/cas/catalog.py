"""What documents say, written down so that it can be looked up at once.

With a thousand images, to read, verify and parse their documents is most of the work of
commands that only look. What a document says never changes, so it is kept by its digest, in the
file ``catalog`` of the store. That is derived and may go at any time: it is dropped when it is
damaged or of another version, and not there where the store can't be written to. Nobody asks it
about what is unpacked, run or sent.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from imgfetch.fs import atomic
from imgfetch.lean import json
from imgfetch.oci.digest import new_hash

if TYPE_CHECKING:
    from imgfetch.oci.descriptor import Descriptor

CATALOG = "catalog"

_VERSION = 1
# That of a hundred thousand images; what is larger is not ours.
_LIMIT = 256 << 20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Entry(NamedTuple):
    """A document, as an index announces it.

    Attributes:
        digest: in its wire form.
        size: in bytes.
        media_type: as announced.
        attestation: whether it says of itself that it is no image.
    """

    digest: str
    size: int
    media_type: str
    attestation: bool = False

    @classmethod
    def of(cls, descriptor: Descriptor) -> Entry:
        """What a descriptor announces."""
        digest = str(descriptor.digest)
        return cls(digest, descriptor.size, descriptor.media_type, descriptor.is_attestation)


class Config(NamedTuple):
    """What the config of an image says.

    Attributes:
        platform: its name.
        size: bytes of config and layers.
        chains: the names of the stacks of its layers, the lowest first.
    """

    platform: str
    size: int
    chains: tuple[str, ...]


class Document(NamedTuple):
    """What a manifest or an index says.

    Attributes:
        manifests: the entries of an index.
        blobs: config and layers of a manifest, in this order, with their sizes.
        config: None where there is none, or not an image's.
        settled: whether that will never be otherwise.
    """

    manifests: tuple[Entry, ...]
    blobs: dict[str, int]
    config: Config | None = None
    settled: bool = True


class Catalog:
    """What documents of a store say.

    Args:
        store: the store's directory.
    """

    def __init__(self, store: str) -> None:
        self._store = store
        self._known: dict[str, Document] | None = None
        self._used: set[str] = set()
        self._changed = False

    def get(self, entry: Entry) -> Document | None:
        """What a document says, if that is known."""
        key = _key(entry)
        self._used.add(key)
        return self._all().get(key)

    def put(self, entry: Entry, document: Document) -> None:
        """Remember what a document says, which has been verified."""
        if self.get(entry) != document:
            self._changed = True
            self._all()[_key(entry)] = document

    def _all(self) -> dict[str, Document]:
        if self._known is None:
            self._known = _load(f"{self._store}/{CATALOG}")
        return self._known

    def save(self) -> None:
        """Write down what is known for the next process, unless that can't be done."""
        known = self._known
        if not self._changed or known is None or not os.path.isdir(f"{self._store}/ingest"):
            return
        self._changed = False
        if len(known) > 2 * len(self._used):
            # Most of it is about what is not in the store any more.
            known = {key: document for key, document in known.items() if key in self._used}
        body = json.dumps([_VERSION, known], separators=(",", ":")).encode()
        temporary = f"{self._store}/ingest/{atomic.temporary_name(CATALOG)}"
        with suppress(OSError):
            _write(temporary, _digest(body) + b"\n" + body)
            os.rename(temporary, f"{self._store}/{CATALOG}")


def _key(entry: Entry) -> str:
    # What something is taken for depends on what it was announced as.
    return f"{entry.digest} {entry.media_type}"


def _write(path: str, content: bytes) -> None:
    """Write a new file, without a sync: what a power loss leaves is seen by its digest."""
    fd = os.open(path, _NEW, atomic.PRIVATE_FILE)
    try:
        atomic.write_all(fd, content)
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(fd)


def _load(path: str) -> dict[str, Document]:
    try:
        with open(os.open(path, _READ), "rb") as file:
            digest, _, body = file.read(_LIMIT).partition(b"\n")
    except OSError:
        return {}
    if digest != _digest(body):
        return {}
    version, known = json.loads(body)
    return {key: _document(*fields) for key, fields in known.items()} if version == _VERSION else {}


def _document(
    manifests: list[Any],
    blobs: dict[str, int],
    config: list[Any] | None,
    settled: bool,  # noqa: FBT001 - as it was written
) -> Document:
    return Document(
        tuple(Entry(*entry) for entry in manifests) if manifests else (),
        blobs,
        None if config is None else Config(config[0], config[1], tuple(config[2])),
        settled,
    )


def _digest(body: bytes) -> bytes:
    return new_hash("sha256", body).hexdigest().encode()
