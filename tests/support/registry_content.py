"""A small image, and the answers of a registry that has it and breaks no rule."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass

from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.unverified import Unverified
from tests.support.registry_server import Answer, Responder, Seen


@dataclass(frozen=True, slots=True)
class SmallImage:
    """An image of one layer.

    Attributes:
        manifest: the manifest's bytes.
        config: the config's bytes.
        layer: the layer's bytes; no tar, since nothing here unpacks it.
    """

    manifest: bytes
    config: bytes
    layer: bytes

    @classmethod
    def of(cls, layer: bytes) -> SmallImage:
        """An image around a layer."""
        config = json.dumps({"architecture": "amd64", "os": "linux"}).encode()
        document = {
            "schemaVersion": 2,
            "mediaType": mediatype.OCI_MANIFEST,
            "config": Descriptor.of(config, mediatype.OCI_CONFIG).to_json(),
            "layers": [Descriptor.of(layer, mediatype.OCI_LAYER_GZIP).to_json()],
        }
        return cls(json.dumps(document, indent=1).encode(), config, layer)

    @property
    def descriptor(self) -> Descriptor:
        """The manifest's descriptor."""
        return Descriptor.of(self.manifest, mediatype.OCI_MANIFEST)

    @property
    def layer_descriptor(self) -> Descriptor:
        """The layer's descriptor."""
        return Descriptor.of(self.layer, mediatype.OCI_LAYER_GZIP)

    @property
    def config_descriptor(self) -> Descriptor:
        """The config's descriptor."""
        return Descriptor.of(self.config, mediatype.OCI_CONFIG)

    def manifest_answer(self) -> Answer:
        """How a registry answers with the manifest."""
        headers = {
            "Content-Type": mediatype.OCI_MANIFEST,
            "Docker-Content-Digest": str(self.descriptor.digest),
        }
        return Answer(200, self.manifest, headers)

    def layer_path(self, repository: str = "app") -> str:
        """Where the layer is."""
        return f"/v2/{repository}/blobs/{self.layer_descriptor.digest}"

    def routes(self, repository: str = "app", tag: str = "1") -> dict[str, Responder]:
        """A whole registry with nothing but this image."""
        manifest = self.manifest_answer()
        base = f"/v2/{repository}"
        return {
            "GET /v2/": Answer(),
            f"GET {base}/manifests/{tag}": manifest,
            f"GET {base}/manifests/{self.descriptor.digest}": manifest,
            f"GET {base}/blobs/{self.config_descriptor.digest}": blob(self.config),
            f"GET {base}/blobs/{self.layer_descriptor.digest}": blob(self.layer),
        }


IMAGE = SmallImage.of(bytes(range(256)) * 400)
"""An image whose layer is long enough to be cut into pieces."""


def blob(content: bytes) -> Callable[[Seen], Answer]:
    """A blob, from the offset that was asked for."""

    def answer(seen: Seen) -> Answer:
        wanted = seen.headers.get("range")
        if wanted is None:
            return Answer(200, content)
        return partial(content, int(wanted.removeprefix("bytes=").rstrip("-")))

    return answer


def partial(content: bytes, start: int, *, cut: int | None = None) -> Answer:
    """A 206 with everything from an offset on."""
    where = f"bytes {start}-{len(content) - 1}/{len(content)}"
    return Answer(206, content[start:], {"Content-Range": where}, cut=cut)


def demanding(
    responder: Responder, authorization: str, challenge: str, status: int = 401
) -> Callable[[Seen], Answer]:
    """An answer for those who send a certain ``Authorization``, a challenge for others."""

    def answer(seen: Seen) -> Answer:
        if seen.authorization != authorization:
            return Answer(status, b"", {"WWW-Authenticate": challenge})
        if isinstance(responder, Answer):
            return responder
        assert callable(responder)
        return responder(seen)

    return answer


def read(content: Unverified, offset: int = 0) -> bytes:
    """All of what a source gives."""
    chunks: Generator[bytes, None, None] = content.chunks(offset)
    return b"".join(chunks)
