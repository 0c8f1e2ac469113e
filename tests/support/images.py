"""Test images, written as OCI layouts.

    image = ImageBuilder().layer({"etc": Dir(), "etc/x": File("1")}).config(cmd=["cat", "/etc/x"])
    written = image.write(tmp_path / "layout", ref="x:1")
    skopeo copy oci:…/layout:x:1 docker://127.0.0.1:5000/x:1

A builder is a value: each method gives a new one, so images can share a base. The documents
are the same bytes every time.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import REF_NAME, Descriptor
from imgfetch.oci.digest import Digest
from imgfetch.oci.platform import Platform
from tests.support.compression import Compression, compress
from tests.support.contents import (
    Contents,
    Device,
    Dir,
    Entry,
    Executable,
    Fifo,
    File,
    Hardlink,
    Opaque,
    Symlink,
    Whiteout,
    tar,
)

__all__ = [
    "Device",
    "Dir",
    "Entry",
    "Executable",
    "Fifo",
    "File",
    "Hardlink",
    "ImageBuilder",
    "Opaque",
    "Symlink",
    "Whiteout",
    "WrittenImage",
    "WrittenIndex",
    "add_blob",
    "add_document",
    "host_platform",
    "name_entry",
    "write_index",
]

CREATED = "2020-09-13T12:26:40Z"
"""`contents.MTIME` as configs have it."""

_SUFFIXES = {"none": "", "gzip": "+gzip", "zstd": "+zstd"}


@dataclass(frozen=True, slots=True)
class WrittenImage:
    """What a builder wrote.

    Attributes:
        descriptor: of the manifest, with its platform.
        config: of the config.
        layers: of the layers as stored, lowest first.
        diff_ids: of the uncompressed layers, lowest first.
    """

    descriptor: Descriptor
    config: Descriptor
    layers: tuple[Descriptor, ...]
    diff_ids: tuple[Digest, ...]

    @property
    def digest(self) -> Digest:
        """The manifest's digest."""
        return self.descriptor.digest


@dataclass(frozen=True, slots=True)
class WrittenIndex:
    """An index of several platforms' images.

    Attributes:
        descriptor: of the index.
        images: in the index's order, attestations aside.
    """

    descriptor: Descriptor
    images: tuple[WrittenImage, ...]

    @property
    def digest(self) -> Digest:
        """The index's digest."""
        return self.descriptor.digest


@dataclass(frozen=True, slots=True)
class _Layer:
    stream: bytes
    compression: Compression


@dataclass(frozen=True, slots=True)
class ImageBuilder:
    """An image to be written.

    Attributes:
        docker: use Docker's media types, as ``docker push`` does.
        process: the config's ``config`` object.
        fields: fields of the config document itself, to add or to replace.
        annotations: of the manifest.
    """

    docker: bool = False
    process: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    _layers: tuple[_Layer, ...] = ()

    def layer(self, contents: Contents | bytes, compression: Compression = "gzip") -> ImageBuilder:
        """Adds a layer on top.

        Args:
            contents: entries by path, in order; or a tar stream from elsewhere, not compressed.
            compression: how the layer is stored.
        """
        stream = contents if isinstance(contents, bytes) else tar(contents)
        return replace(self, _layers=(*self._layers, _Layer(stream, compression)))

    def recompressed(self, compression: Compression) -> ImageBuilder:
        """The same layers, all stored in one way."""
        layers = tuple(replace(layer, compression=compression) for layer in self._layers)
        return replace(self, _layers=layers)

    def config(
        self,
        *,
        entrypoint: Sequence[str] | None = None,
        cmd: Sequence[str] | None = None,
        env: Sequence[str] | None = None,
        user: str | None = None,
        working_dir: str | None = None,
        stop_signal: str | None = None,
        labels: Mapping[str, str] | None = None,
        volumes: Sequence[str] | None = None,
        **fields: Any,  # JSON of any kind, wrong ones for tests included
    ) -> ImageBuilder:
        """Says how the image runs; what is not given stays as it was.

        Args:
            entrypoint: the fixed part of the command line.
            cmd: the part of it that a caller replaces.
            env: ``NAME=value``.
            user: ``user[:group]``.
            working_dir: where the process starts.
            stop_signal: a signal's name.
            labels: free-form.
            volumes: paths.
            **fields: fields of the config document itself.
        """
        given: dict[str, Any] = {
            "Entrypoint": None if entrypoint is None else list(entrypoint),
            "Cmd": None if cmd is None else list(cmd),
            "Env": None if env is None else list(env),
            "User": user,
            "WorkingDir": working_dir,
            "StopSignal": stop_signal,
            "Labels": None if labels is None else dict(labels),
            "Volumes": None if volumes is None else {path: {} for path in volumes},
        }
        changes = {name: value for name, value in given.items() if value is not None}
        return replace(self, process={**self.process, **changes}, fields={**self.fields, **fields})

    def write(
        self, layout: Path, ref: str | None = None, platform: Platform | str | None = None
    ) -> WrittenImage:
        """Writes the image into an OCI layout, which is made if it isn't there.

        Args:
            layout: the layout's directory.
            ref: the image's name in ``index.json``; None leaves it unnamed and unlisted.
            platform: what the config and the descriptor say; this machine's by default.
        """
        if not isinstance(platform, Platform):
            platform = Platform.parse(platform) if platform else host_platform()
        diff_ids = tuple(_digest(layer.stream) for layer in self._layers)
        layers = tuple(
            add_blob(
                layout,
                compress(layer.stream, layer.compression),
                self._layer_type(layer.compression),
            )
            for layer in self._layers
        )
        config = add_document(
            layout,
            self._config_document(platform, diff_ids),
            mediatype.DOCKER_CONFIG if self.docker else mediatype.OCI_CONFIG,
        )
        media_type = mediatype.DOCKER_MANIFEST if self.docker else mediatype.OCI_MANIFEST
        document: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": config.to_json(),
            "layers": [layer.to_json() for layer in layers],
        }
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        manifest = replace(add_document(layout, document, media_type), platform=platform)
        if ref is not None:
            name_entry(layout, manifest, ref)
        return WrittenImage(manifest, config, layers, diff_ids)

    def _layer_type(self, compression: Compression) -> str:
        kind = compression.removeprefix("stored-")
        if self.docker:
            return mediatype.DOCKER_LAYER + _SUFFIXES[kind].replace("+", ".")
        return mediatype.OCI_LAYER + _SUFFIXES[kind]

    def _config_document(self, platform: Platform, diff_ids: Sequence[Digest]) -> dict[str, Any]:
        document: dict[str, Any] = {
            "created": CREATED,
            "architecture": platform.architecture,
            "os": platform.os,
            "config": dict(self.process),
            "rootfs": {"type": "layers", "diff_ids": [str(diff_id) for diff_id in diff_ids]},
            "history": [
                {"created": CREATED, "created_by": f"layer {number}"}
                for number, _ in enumerate(diff_ids)
            ],
        }
        if platform.variant:
            document["variant"] = platform.variant
        return {**document, **self.fields}


def write_index(
    layout: Path,
    images: Mapping[str, ImageBuilder],
    ref: str | None = None,
    *,
    attestations: bool = False,
    docker: bool = False,
) -> WrittenIndex:
    """Writes an image for several platforms.

    Args:
        layout: the layout's directory.
        images: by platform, in the index's order.
        ref: as in `ImageBuilder.write`.
        attestations: add an ``unknown/unknown`` entry before each image, as BuildKit makes them
            (behind the images there; in front they catch whoever takes the first entry).
        docker: make it a Docker manifest list.
    """
    written = tuple(builder.write(layout, None, platform) for platform, builder in images.items())
    entries = []
    for image in written:
        if attestations:
            entries.append(_write_attestation(layout, image.descriptor))
        entries.append(image.descriptor)
    media_type = mediatype.DOCKER_INDEX if docker else mediatype.OCI_INDEX
    document = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "manifests": [entry.to_json() for entry in entries],
    }
    descriptor = add_document(layout, document, media_type)
    if ref is not None:
        name_entry(layout, descriptor, ref)
    return WrittenIndex(descriptor, written)


def host_platform() -> Platform:
    """The platform whose images run on this machine."""
    return Platform.from_machine(os.uname().machine)


def add_blob(layout: Path, raw: bytes, media_type: str) -> Descriptor:
    """Stores a blob in a layout, which is made if it isn't there."""
    digest = _digest(raw)
    blobs = layout / "blobs" / digest.algorithm
    if not blobs.is_dir():
        blobs.mkdir(parents=True)
        _write_json(layout / "oci-layout", {"imageLayoutVersion": "1.0.0"})
        _write_json(layout / "index.json", {"schemaVersion": 2, "manifests": []})
    (blobs / digest.encoded).write_bytes(raw)
    return Descriptor(media_type, digest, len(raw))


def add_document(layout: Path, document: Mapping[str, Any], media_type: str) -> Descriptor:
    """Stores a JSON document in a layout."""
    return add_blob(layout, json.dumps(document, separators=(",", ":")).encode(), media_type)


def name_entry(layout: Path, descriptor: Descriptor, ref: str) -> None:
    """Lists something in ``index.json`` under a name, which it takes from others."""
    path = layout / "index.json"
    index = json.loads(path.read_bytes())
    entry = replace(descriptor, annotations={**descriptor.annotations, REF_NAME: ref})
    others = [
        other for other in index["manifests"] if other.get("annotations", {}).get(REF_NAME) != ref
    ]
    _write_json(path, {**index, "manifests": [*others, entry.to_json()]})


def _write_attestation(layout: Path, subject: Descriptor) -> Descriptor:
    statement = {
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [{"name": "_", "digest": {"sha256": subject.digest.encoded}}],
        "predicate": {},
    }
    layer = add_document(layout, statement, "application/vnd.in-toto+json")
    config = {
        "architecture": "unknown",
        "os": "unknown",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [str(layer.digest)]},
    }
    document = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_MANIFEST,
        "config": add_document(layout, config, mediatype.OCI_CONFIG).to_json(),
        "layers": [layer.to_json()],
    }
    return replace(
        add_document(layout, document, mediatype.OCI_MANIFEST),
        platform=Platform("unknown", "unknown"),
        annotations={
            "vnd.docker.reference.digest": str(subject.digest),
            "vnd.docker.reference.type": "attestation-manifest",
        },
    )


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    path.write_bytes(json.dumps(document, separators=(",", ":")).encode())


def _digest(raw: bytes) -> Digest:
    return Digest("sha256", hashlib.sha256(raw).hexdigest())
