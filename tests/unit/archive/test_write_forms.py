"""What the forms hold in which images are saved."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from imgfetch.archive.forms import Member, SavedImage, members
from imgfetch.errors import UsageError
from imgfetch.oci import mediatype
from imgfetch.oci.config import ImageConfig
from imgfetch.oci.descriptor import REF_NAME, Descriptor
from imgfetch.oci.image import Image
from imgfetch.oci.manifest import Manifest, parse
from imgfetch.oci.reference import Reference
from tests.support import documents

GZIP = documents.layer("one", mediatype.OCI_LAYER_GZIP)
ZSTD = documents.layer("two", mediatype.DOCKER_LAYER_ZSTD)
PLAIN = documents.layer("three", mediatype.OCI_LAYER)


def image(name: str, *layers: documents.Document) -> SavedImage:
    config = documents.encode(
        documents.config(
            rootfs={"type": "layers", "diff_ids": [documents.digest(str(at)) for at in layers]}
        )
    )
    described = Descriptor.of(config, mediatype.OCI_CONFIG)
    raw = documents.encode(documents.manifest(config=described.to_json(), layers=list(layers)))
    top = Descriptor.of(raw, mediatype.OCI_MANIFEST)
    manifest = parse(raw)
    assert isinstance(manifest, Manifest)
    made = Image(top, manifest, ImageConfig.from_json(config))
    return SavedImage(Reference.parse(name), top, ((top, raw),), (made,), made)


def contents(files: list[Member]) -> dict[str, bytes | Descriptor]:
    found = dict(files)
    assert len(found) == len(files), "a name twice"
    return found


def decoded(content: bytes | Descriptor) -> list[dict[str, object]]:
    assert isinstance(content, bytes)
    document = json.loads(content)
    assert isinstance(document, list)
    return document


def test_an_archive_is_a_layout_that_docker_loads() -> None:
    saved = image("alpine:3", GZIP)
    files = contents(members("oci-archive", [saved]))
    blobs = [f"blobs/sha256/{blob.digest.encoded}" for blob in (saved.top, *saved.blobs)]
    assert set(files) == {"oci-layout", "index.json", "manifest.json", *blobs}
    assert decoded(files["manifest.json"]) == [
        {"Config": blobs[1], "RepoTags": ["docker.io/library/alpine:3"], "Layers": [blobs[2]]}
    ]
    index = files["index.json"]
    assert isinstance(index, bytes)
    (entry,) = json.loads(index)["manifests"]
    assert entry["digest"] == str(saved.top.digest)
    assert entry["annotations"] == {
        REF_NAME: "docker.io/library/alpine:3",
        "io.containerd.image.name": "docker.io/library/alpine:3",
    }


def test_documents_are_the_bytes_that_were_received() -> None:
    """S039, moby#22011."""
    saved = image("a:1", GZIP)
    odd = b" " + saved.documents[0][1] + b"\n"
    top = Descriptor.of(odd, mediatype.OCI_MANIFEST)
    saved = replace(saved, top=top, documents=((top, odd),))
    assert contents(members("oci", [saved]))[f"blobs/sha256/{top.digest.encoded}"] == odd


def test_the_order_of_references_does_not_matter() -> None:
    images = [image("b:1", GZIP, ZSTD), image("a:1", GZIP)]
    for form in ("oci-archive", "docker-archive", "oci"):
        assert members(form, images) == members(form, images[::-1])


def test_two_names_of_an_image_are_two_tags() -> None:
    saved = image("a:1", GZIP)
    files = members("docker-archive", [saved, replace(saved, reference=Reference.parse("a:2"))])
    (entry,) = decoded(contents(files)["manifest.json"])
    assert entry["RepoTags"] == ["docker.io/library/a:1", "docker.io/library/a:2"]


def test_a_name_by_digest_is_no_tag() -> None:
    saved = image("a:1", GZIP)
    pinned = replace(saved, reference=saved.reference.with_digest(saved.top.digest))
    (entry,) = decoded(contents(members("oci-archive", [pinned]))["manifest.json"])
    assert entry["RepoTags"] is None


def test_layers_of_a_docker_archive_keep_their_compression() -> None:
    saved = image("a:1", GZIP, ZSTD, PLAIN, GZIP)
    files = contents(members("docker-archive", [saved]))
    (entry,) = decoded(files["manifest.json"])
    names = [
        f"{layer.digest.encoded}{suffix}"
        for layer, suffix in zip(
            saved.shown.manifest.layers,
            (".tar.gz", ".tar.zst", ".tar", ".tar.gz"),
            strict=True,
        )
    ]
    assert entry["Layers"] == names
    config = f"{saved.shown.manifest.config.digest.encoded}.json"
    assert set(files) == {"manifest.json", config, *names}


def test_a_directory_has_room_for_one() -> None:
    with pytest.raises(UsageError, match="room for one"):
        members("dir", [image("a:1", GZIP), image("b:1", ZSTD)])


def test_what_is_left_out_is_named_all_the_same() -> None:
    """R073."""
    saved = image("a:1", GZIP, ZSTD)
    saved = replace(saved, left_out=frozenset({saved.shown.manifest.layers[1].digest}))
    names = set(contents(members("oci-archive", [saved])))
    gzip, zstd = (f"blobs/sha256/{at.digest.encoded}" for at in saved.shown.manifest.layers)
    assert gzip in names
    assert zstd not in names
