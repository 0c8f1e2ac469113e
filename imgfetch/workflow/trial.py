"""An image of one program that does nothing: for trying whether containers can be run at all.

The program is made here, so that it needs neither a registry nor anything of the machine.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, Final

from imgfetch.interfaces import NoProgress
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.unverified import Unverified
from imgfetch.tar.entry import Entry
from imgfetch.tar.writer import TarWriter

if TYPE_CHECKING:
    from collections.abc import Generator

    from imgfetch.interfaces import ContentStore

NAME: Final = "localhost/doctor:latest"

# exit(0) by Go's architecture: e_machine, and the code.
_PROGRAMS: Final = {
    "amd64": (62, bytes.fromhex("31ff b83c000000 0f05")),
    "arm64": (183, bytes.fromhex("000080d2 a80b80d2 010000d4")),
}
_BASE: Final = 0x400000
_HEADER: Final = 64
_SEGMENT: Final = 56
_PAGE: Final = 0x10000


def program(architecture: str) -> bytes | None:
    """A static ELF program that ends with status 0: elf(5).

    Args:
        architecture: as Go names it.

    Returns:
        None where none is known.
    """
    if architecture not in _PROGRAMS:
        return None
    machine, code = _PROGRAMS[architecture]
    entry = _BASE + _HEADER + _SEGMENT
    size = _HEADER + _SEGMENT + len(code)
    header = struct.pack(
        "<4s5B7xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 0,
        2, machine, 1, entry, _HEADER, 0, 0, _HEADER, _SEGMENT, 1, 0, 0, 0,
    )  # fmt: skip
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, _PAGE)
    return header + segment + code


def store_image(store: ContentStore, architecture: str, content: bytes) -> Descriptor:
    """Put an image of one program into a store.

    Args:
        store: takes its content.
        architecture: the image's.
        content: the program.

    Returns:
        The descriptor of the manifest, to be given a name.
    """
    layer = _layer(content)
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Cmd": ["/exit"]},
        "rootfs": {"type": "layers", "diff_ids": [str(Descriptor.of(layer, "").digest)]},
    }
    parts = [(layer, mediatype.OCI_LAYER), (_json(config), mediatype.OCI_CONFIG)]
    layers, configs = (_ingest(store, raw, media_type) for raw, media_type in parts)
    manifest = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_MANIFEST,
        "config": configs.to_json(),
        "layers": [layers.to_json()],
    }
    return _ingest(store, _json(manifest), mediatype.OCI_MANIFEST)


def _layer(content: bytes) -> bytes:
    parts: list[bytes] = []
    writer = TarWriter(lambda part: parts.append(bytes(part)))
    size = len(content)
    writer.add(Entry(b"exit", "file", size, 0o755, 0, 0, 0, b"", 0, 0, 0, size), [content])
    writer.finish()
    return b"".join(parts)


def _ingest(store: ContentStore, raw: bytes, media_type: str) -> Descriptor:
    descriptor = Descriptor.of(raw, media_type)

    def chunks(offset: int) -> Generator[bytes, None, None]:
        yield raw[offset:]

    store.ingest(Unverified(descriptor, chunks, "doctor"), NoProgress())
    return descriptor


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()
