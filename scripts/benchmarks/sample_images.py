"""The images that layers are measured with, made once and kept.

    A   one layer: busybox
    B   a distribution with Python, NumPy, SciPy and pandas, and a layer of changes on top
    C   60,000 small files in five layers, as package managers of JavaScript leave them
    D   a few large files in three layers

Each has a twin that differs from it in the topmost layer only. What is made here is the same
every time; B is what the distribution's archive has today.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import Digest
from scripts.benchmarks import sample_layers
from tests.support.busybox import busybox_builder
from tests.support.images import add_blob, add_document, host_platform, name_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_MEDIA = "application/vnd.oci.image"
_COMPRESSORS = {"gzip": ["gzip", "--no-name", "-6"], "zstd": ["zstd", "--quiet", "-3"]}
# When images are made in another way, those made before are no longer used.
_VERSION = 1

TWIN = "twin"
IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Sample:
    """An image in a layout, and its twin.

    Attributes:
        name: one of A, B, C, D.
        compression: of all layers.
        layout: has both images, named `IMAGE` and `TWIN`.
        image: its manifest.
        twin: its twin's manifest.
        layers: paths of the layers' blobs, lowest first.
    """

    name: str
    compression: str
    layout: Path
    image: Descriptor
    twin: Descriptor
    layers: Sequence[Path]


def sample(name: str, compression: str, cache: Path) -> Sample:
    """An image, which is made unless it is in the cache.

    Args:
        name: one of A, B, C, D.
        compression: gzip or zstd.
        cache: a directory, made if need be.
    """
    layout = cache / f"{name}-{_VERSION}" / compression
    if not layout.is_dir():
        print(f"bench: making image {name} ({compression})", file=sys.stderr)
        _make(layout, _streams(name, layout.parent), compression)
    named = {
        entry["annotations"]["org.opencontainers.image.ref.name"]: entry
        for entry in json.loads((layout / "index.json").read_bytes())["manifests"]
    }
    image, twin = (
        Descriptor(named[ref]["mediaType"], Digest.parse(named[ref]["digest"]), named[ref]["size"])
        for ref in (IMAGE, TWIN)
    )
    manifest = json.loads((layout / "blobs/sha256" / image.digest.encoded).read_bytes())
    layers = [layout / "blobs" / layer["digest"].replace(":", "/") for layer in manifest["layers"]]
    return Sample(name, compression, layout, image, twin, layers)


def _streams(name: str, directory: Path) -> list[Path]:
    """The layers' archives, and the topmost one of the twin behind them."""
    streams = directory / "streams"
    if not streams.is_dir():
        staging = directory / "streams.new"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        _MAKERS[name](staging)
        sample_layers.small_files(staging / "twin.tar", 99, 50)
        staging.rename(streams)
    *layers, twin = sorted(streams.iterdir())
    return [*layers, twin]


def _make_a(staging: Path) -> None:
    layout = staging.parent / "busybox"
    written = busybox_builder().write(layout)
    digest = written.layers[0].digest
    with (staging / "0.tar").open("wb") as stream:
        subprocess.run(
            ["gzip", "-dc", layout / "blobs/sha256" / digest.encoded], stdout=stream, check=True
        )


def _make_c(staging: Path) -> None:
    for number in range(5):
        sample_layers.small_files(staging / f"{number}.tar", number, 12_000)


def _make_d(staging: Path) -> None:
    for number in range(3):
        sample_layers.large_files(staging / f"{number}.tar", number, [60, 1, 150, 20, 69])


_MAKERS: dict[str, Callable[[Path], None]] = {
    "A": _make_a,
    "B": sample_layers.distribution,
    "C": _make_c,
    "D": _make_d,
}


def _make(layout: Path, streams: Sequence[Path], compression: str) -> None:
    staging = layout.with_suffix(".new")
    shutil.rmtree(staging, ignore_errors=True)
    described = [_add_layer(staging, stream, compression) for stream in streams]
    for ref, layers in ((IMAGE, described[:-1]), (TWIN, [*described[:-2], described[-1]])):
        name_entry(staging, _add_manifest(staging, layers), ref)
    staging.rename(layout)


def _add_layer(layout: Path, stream: Path, compression: str) -> tuple[Digest, Descriptor]:
    with stream.open("rb") as source:
        compressed = subprocess.run(
            _COMPRESSORS[compression], stdin=source, stdout=subprocess.PIPE, check=True
        ).stdout
    blob = add_blob(layout, compressed, f"{_MEDIA}.layer.v1.tar+{compression}")
    return Digest.of(stream.read_bytes()), blob


def _add_manifest(layout: Path, layers: Sequence[tuple[Digest, Descriptor]]) -> Descriptor:
    platform = host_platform()
    config = {
        "architecture": platform.architecture,
        "os": platform.os,
        "config": {"Cmd": ["true"]},
        "rootfs": {"type": "layers", "diff_ids": [str(diff_id) for diff_id, _ in layers]},
        "history": [{"created_by": f"layer {number}"} for number, _ in enumerate(layers)],
    }
    document = {
        "schemaVersion": 2,
        "mediaType": f"{_MEDIA}.manifest.v1+json",
        "config": add_document(layout, config, f"{_MEDIA}.config.v1+json").to_json(),
        "layers": [blob.to_json() for _, blob in layers],
    }
    return add_document(layout, document, f"{_MEDIA}.manifest.v1+json")


def size(path: Path) -> int:
    """Bytes in a tree of files."""
    return sum(os.lstat(one).st_size for one in path.rglob("*"))
