"""R074: what docker and podman save, of any age."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import zstandard

from imgfetch.archive import open_source
from imgfetch.errors import (
    ContentError,
    DigestMismatchError,
    DocumentError,
    ImgfetchError,
    NotInStoreError,
    UnsupportedContentError,
    UsageError,
)
from imgfetch.interfaces import Source
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.manifest import Manifest, parse
from imgfetch.oci.transport import PathName
from imgfetch.oci.unverified import Unverified
from tests.support.contents import File, tar
from tests.support.images import (
    ImageBuilder,
    WrittenImage,
    add_document,
    name_entry,
    write_index,
)
from tests.support.tarballs import file, symlink, write_tar

LAYERS = [tar({"a": File("1")}), tar({"b": File("2")})]
CONFIG = json.dumps({"os": "linux", "rootfs": {"diff_ids": []}}).encode()


def entry(**fields: Any) -> dict[str, Any]:
    return {
        "Config": "config.json",
        "RepoTags": ["alpine:3"],
        "Layers": ["1/layer.tar", "2/layer.tar"],
        **fields,
    }


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "archive.tar"


def write(
    archive: Path,
    *entries: dict[str, Any],
    prefix: str = "",
    files: Mapping[str, bytes] = MappingProxyType({}),
) -> None:
    content = {
        "config.json": CONFIG,
        "1/layer.tar": LAYERS[0],
        "2/layer.tar": LAYERS[1],
        "manifest.json": json.dumps(entries or [entry()]).encode(),
        **files,
    }
    write_tar(archive, [file(prefix + name, data) for name, data in content.items()])


def source(archive: Path, ref: str | None = None) -> Source:
    return open_source(PathName("docker-archive", str(archive), ref))


def received(content: Unverified) -> bytes:
    return b"".join(content.chunks(0))


def manifest(opened: Source) -> Manifest:
    top = opened.resolve()
    document = parse(received(top), top.descriptor.media_type)
    assert isinstance(document, Manifest)
    return document


def content(opened: Source) -> list[bytes]:
    """The config and the layers."""
    document = manifest(opened)
    return [received(opened.fetch(part)) for part in (document.config, *document.layers)]


@pytest.mark.parametrize("prefix", ["", "./"])
def test_a_manifest_is_made_of_what_is_there(archive: Path, prefix: str) -> None:
    write(archive, prefix=prefix)
    opened = source(archive)
    assert content(opened) == [CONFIG, *LAYERS]
    document = manifest(opened)
    assert document.media_type == mediatype.OCI_MANIFEST
    assert document.config == Descriptor.of(CONFIG, mediatype.OCI_CONFIG)
    assert document.layers == tuple(Descriptor.of(raw, mediatype.OCI_LAYER) for raw in LAYERS)
    opened.close()


def test_the_digest_depends_on_the_content_alone(archive: Path, tmp_path: Path) -> None:
    write(archive)
    write(tmp_path / "other.tar", entry(RepoTags=["other:1"]), prefix="./")
    assert (
        source(archive).resolve().descriptor == source(tmp_path / "other.tar").resolve().descriptor
    )


def test_compressed_layers_keep_their_bytes(archive: Path) -> None:
    """As podman and others do."""
    compressed = [gzip.compress(LAYERS[0]), zstandard.ZstdCompressor().compress(LAYERS[1])]
    write(archive, files={"1/layer.tar": compressed[0], "2/layer.tar": compressed[1]})
    opened = source(archive)
    assert content(opened) == [CONFIG, *compressed]
    assert [layer.media_type for layer in manifest(opened).layers] == [
        mediatype.OCI_LAYER_GZIP,
        mediatype.OCI_LAYER_ZSTD,
    ]


def test_a_layer_of_another_compression_is_refused(archive: Path) -> None:
    write(archive, files={"1/layer.tar": b"BZh91AY"})
    with pytest.raises(UnsupportedContentError, match="bzip2"):
        source(archive).resolve()


def test_a_layer_that_is_a_link_is_the_one_it_links_to(archive: Path) -> None:
    write_tar(
        archive,
        [
            symlink("2/layer.tar", "../1/layer.tar"),
            file("1/layer.tar", LAYERS[0]),
            file("config.json", CONFIG),
            file("manifest.json", json.dumps([entry()]).encode()),
        ],
    )
    assert content(source(archive)) == [CONFIG, LAYERS[0], LAYERS[0]]


def test_the_same_layer_twice_stays_twice(archive: Path) -> None:
    """R058."""
    write(archive, entry(Layers=["1/layer.tar", "2/layer.tar", "1/layer.tar"]))
    assert content(source(archive)) == [CONFIG, *LAYERS, LAYERS[0]]


@pytest.mark.parametrize("layers", [None, []])
def test_an_image_without_layers_is_one(archive: Path, layers: object) -> None:
    write(archive, entry(Layers=layers))
    assert content(source(archive)) == [CONFIG]


class TestNames:
    """R074, R075: several images, tags of all kinds, none."""

    @pytest.fixture(autouse=True)
    def _two_images(self, archive: Path) -> None:
        second = entry(Layers=["2/layer.tar"], RepoTags=["localhost:5000/x:1", "x:2", "!bad"])
        third = entry(Layers=[], RepoTags=None)
        write(archive, entry(), second, third)

    @pytest.mark.parametrize(
        ("ref", "layers"),
        [
            ("alpine:3", 2),
            ("docker.io/library/alpine:3", 2),
            ("localhost:5000/x:1", 1),
            ("library/x:2", 1),
            ("!bad", 1),
            ("@0", 2),
            ("@2", 0),
        ],
    )
    def test_one_is_found(self, archive: Path, ref: str, layers: int) -> None:
        assert len(manifest(source(archive, ref)).layers) == layers

    @pytest.mark.parametrize("ref", ["alpine", "alpine:4", "@3", "@", "@-1", "bad"])
    def test_what_is_not_there_lists_what_is(self, archive: Path, ref: str) -> None:
        with pytest.raises(NotInStoreError, match="no such image") as caught:
            source(archive, ref).resolve()
        assert caught.value.actual == "alpine:3, localhost:5000/x:1, x:2, !bad"

    def test_without_a_name_the_candidates_are_listed(self, archive: Path) -> None:
        with pytest.raises(UsageError, match="several") as caught:
            source(archive).resolve()
        assert caught.value.actual == "alpine:3, localhost:5000/x:1, x:2, !bad"

    def test_the_descriptor_carries_the_full_name(self, archive: Path) -> None:
        assert source(archive, "alpine:3").resolve().descriptor.ref_name == (
            "docker.io/library/alpine:3"
        )
        assert source(archive, "@1").resolve().descriptor.ref_name == "localhost:5000/x:1"
        assert source(archive, "@2").resolve().descriptor.ref_name is None


@pytest.mark.parametrize("tags", [None, []])
def test_an_image_without_tags_needs_no_name(archive: Path, tags: object) -> None:
    write(archive, entry(RepoTags=tags))
    source(archive).resolve()


def test_images_without_tags_are_numbered(archive: Path) -> None:
    write(archive, entry(RepoTags=None), entry(RepoTags=None))
    with pytest.raises(UsageError) as caught:
        source(archive).resolve()
    assert caught.value.actual == "@0, @1"


def test_an_archive_without_images_is_told(archive: Path) -> None:
    write(archive, files={"manifest.json": b"[]"})
    with pytest.raises(NotInStoreError, match="no image"):
        source(archive).resolve()


def test_the_format_from_before_manifests_is_named(archive: Path) -> None:
    write_tar(archive, [file("repositories", b"{}"), file("1/layer.tar", LAYERS[0])])
    with pytest.raises(UnsupportedContentError, match=r"docker before 1\.10"):
        source(archive).resolve()


def test_what_is_no_docker_archive_is_told(archive: Path) -> None:
    write_tar(archive, [file("index.json", b"{}")])
    with pytest.raises(NotInStoreError, match=r"no manifest\.json"):
        source(archive).resolve()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[1]",
        b"null]",
        b'[],"images":[]',
        b'[{"Layers":[]}]',
        b'[{"Config":1,"Layers":[]}]',
        b'[{"Config":"config.json","Layers":"x"}]',
        b'[{"Config":"config.json","Config":"x"}]',
        b"[" * 100_000,
    ],
)
def test_a_malformed_manifest_is_an_error(archive: Path, raw: bytes) -> None:
    """S037, S038, S045."""
    write(archive, files={"manifest.json": raw})
    with pytest.raises(DocumentError):
        source(archive).resolve()


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/shadow", "", "..", "\0"])
@pytest.mark.parametrize("key", ["Config", "Layers"])
def test_names_lead_nowhere_outside(archive: Path, key: str, name: str) -> None:
    """S123."""
    write(archive, entry(**{key: name if key == "Config" else [name]}))
    with pytest.raises(ContentError, match="no name inside"):
        source(archive).resolve()


@pytest.mark.parametrize("key", ["Config", "Layers"])
def test_what_is_missing_is_named(archive: Path, key: str) -> None:
    write(archive, entry(**{key: "nowhere" if key == "Config" else ["nowhere"]}))
    with pytest.raises(NotInStoreError, match="nowhere"):
        source(archive).resolve()


@pytest.mark.parametrize("name", ["manifest.json", "config.json"])
def test_documents_have_limits(archive: Path, name: str) -> None:
    """S124."""
    write(archive, files={name: bytes(9 << 20)})
    with pytest.raises(ContentError, match="too large"):
        source(archive).resolve()


class TestSinceDocker25:
    """R074: an OCI layout as well, which is preferred and has to agree."""

    def save(
        self, layout: Path, archive: Path, image: WrittenImage, **fields: Any
    ) -> dict[str, bytes]:
        """What ``docker save`` writes for an image of a layout."""
        files = {
            str(path.relative_to(layout)): path.read_bytes()
            for path in sorted(layout.rglob("*"))
            if path.is_file()
        }
        listed = {
            "Config": f"blobs/sha256/{image.config.digest.encoded}",
            "RepoTags": ["alpine:3"],
            "Layers": [f"blobs/sha256/{layer.digest.encoded}" for layer in image.layers],
            **fields,
        }
        files["manifest.json"] = json.dumps([listed]).encode()
        write_tar(archive, [file(name, data) for name, data in files.items()])
        return files

    @pytest.fixture
    def layout(self, tmp_path: Path) -> Path:
        return tmp_path / "layout"

    def test_the_digest_is_the_layouts(self, layout: Path, archive: Path) -> None:
        image = ImageBuilder().layer(LAYERS[0]).write(layout, "3")
        self.save(layout, archive, image)
        opened = source(archive)
        top = opened.resolve().descriptor
        assert top == image.descriptor
        assert top.ref_name == "docker.io/library/alpine:3"
        assert [layer.digest for layer in manifest(opened).layers] == [image.layers[0].digest]
        opened.close()

    def test_an_index_stays_an_index(self, layout: Path, archive: Path) -> None:
        """The containerd image store keeps it, and mostly only one platform's content."""
        builder = ImageBuilder().layer(LAYERS[0])
        index = write_index(layout, {"linux/amd64": builder, "linux/arm64": builder}, "3")
        for image in index.images[1:]:
            (layout / "blobs/sha256" / image.digest.encoded).unlink()
        self.save(layout, archive, index.images[0])
        assert source(archive).resolve().descriptor == index.descriptor

    def test_of_images_with_one_config_the_name_decides(self, layout: Path, archive: Path) -> None:
        builder = ImageBuilder().layer(LAYERS[0])
        other = ImageBuilder(annotations={"a": "b"}).layer(LAYERS[0]).write(layout, "other")
        image = builder.write(layout, "3")
        raw = json.loads((layout / "index.json").read_bytes())
        raw["manifests"][1]["annotations"]["io.containerd.image.name"] = (
            "docker.io/library/alpine:3"
        )
        (layout / "index.json").write_text(json.dumps(raw))
        assert other.config == image.config
        self.save(layout, archive, image)
        assert source(archive).resolve().descriptor == image.descriptor

    def test_a_contradiction_is_an_error(self, layout: Path, archive: Path) -> None:
        image = ImageBuilder().layer(LAYERS[0]).write(layout, "3")
        for layers in ([], [f"blobs/sha256/{image.config.digest.encoded}"]):
            self.save(layout, archive, image, Layers=layers)
            with pytest.raises(DocumentError, match="disagree"):
                source(archive).resolve()

    def test_an_image_that_the_layout_does_not_list_is_made(
        self, layout: Path, archive: Path
    ) -> None:
        image = ImageBuilder().layer(LAYERS[0], "none").write(layout)
        self.save(layout, archive, image)
        opened = source(archive)
        assert manifest(opened).media_type == mediatype.OCI_MANIFEST
        assert content(opened)[1:] == LAYERS[:1]

    def test_a_manifest_that_lies_about_itself_is_not_believed(
        self, layout: Path, archive: Path
    ) -> None:
        """S126."""
        image = ImageBuilder().layer(LAYERS[0]).write(layout, "3")
        blob = layout / "blobs/sha256" / image.digest.encoded
        blob.write_bytes(blob.read_bytes().replace(b'"size"', b'"SIZE"', 1))
        self.save(layout, archive, image)
        with pytest.raises(DigestMismatchError):
            source(archive).resolve()

    def test_an_index_of_indexes_ends_somewhere(self, layout: Path, archive: Path) -> None:
        """S040."""
        image = ImageBuilder().layer(LAYERS[0]).write(layout)
        inner = image.descriptor
        for _ in range(10):
            document = {"schemaVersion": 2, "manifests": [inner.to_json()]}
            inner = add_document(layout, document, mediatype.OCI_INDEX)
        name_entry(layout, inner, "3")
        self.save(layout, archive, image)
        assert manifest(source(archive)).media_type == mediatype.OCI_MANIFEST


def test_errors_name_the_archive(archive: Path) -> None:
    write(archive, files={"manifest.json": b"{"})
    with pytest.raises(ImgfetchError, match=str(archive)):
        source(archive).resolve()
