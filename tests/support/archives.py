"""Archives of test images: ``oci-archive`` and ``docker-archive``, the same bytes every time."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.support.contents import MTIME
from tests.support.images import WrittenImage


def write_oci_archive(layout: Path, archive: Path) -> None:
    """Packs a whole OCI layout, the way containers/image does: no leading ``./``."""
    files = {
        str(path.relative_to(layout)): path.read_bytes()
        for path in sorted(layout.rglob("*"))
        if path.is_file()
    }
    _write(archive, files)


def write_docker_archive(
    layout: Path, images: Mapping[WrittenImage, Sequence[str]], archive: Path
) -> None:
    """Packs images as ``docker save`` did before version 25: ``manifest.json`` and layer tars.

    Args:
        layout: where the images were written.
        images: the tags of each image; its layers have to be uncompressed, or gzip.
        archive: the file to write.
    """
    files: dict[str, bytes] = {}
    manifest = []
    for image, tags in images.items():
        config = f"{image.config.digest.encoded}.json"
        files[config] = _blob(layout, image.config.digest.encoded)
        members = [f"{layer.digest.encoded}/layer.tar" for layer in image.layers]
        for member, layer in zip(members, image.layers, strict=True):
            files[member] = _blob(layout, layer.digest.encoded)
        manifest.append({"Config": config, "RepoTags": list(tags), "Layers": members})
    files["manifest.json"] = json.dumps(manifest, separators=(",", ":")).encode()
    _write(archive, files)


def _blob(layout: Path, encoded: str) -> bytes:
    return (layout / "blobs" / "sha256" / encoded).read_bytes()


def _write(archive: Path, files: Mapping[str, bytes]) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for directory in _directories(files):
            info = tarfile.TarInfo(directory)
            info.type, info.mode, info.mtime = tarfile.DIRTYPE, 0o755, MTIME
            tar.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), MTIME
            tar.addfile(info, io.BytesIO(content))
    archive.write_bytes(stream.getvalue())


def _directories(names: Iterable[str]) -> list[str]:
    """The parents of all names, each before what is in it."""
    parents = {str(parent) for name in names for parent in Path(name).parents}
    return sorted(parents - {"."})
