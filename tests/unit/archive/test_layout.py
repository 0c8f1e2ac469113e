import json
import os
from pathlib import Path

import pytest

from imgfetch.archive import open_source
from imgfetch.cas.directory import LayoutStore
from imgfetch.errors import (
    ContentError,
    DigestMismatchError,
    DocumentError,
    NotInStoreError,
    SizeMismatchError,
    UnsupportedContentError,
    UsageError,
)
from imgfetch.interfaces import Source
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.transport import PathName
from tests.support.archives import write_oci_archive
from tests.support.contents import File
from tests.support.images import ImageBuilder, WrittenImage, write_index
from tests.support.sources import RecordedProgress


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return tmp_path / "layout"


def write(layout: Path, ref: str, text: str = "") -> WrittenImage:
    return ImageBuilder().layer({"file": File(text or ref)}).write(layout, ref)


def source(layout: Path, ref: str | None = None) -> Source:
    return open_source(PathName("oci", str(layout), ref))


def edit_index(layout: Path, **fields: object) -> None:
    index = json.loads((layout / "index.json").read_bytes())
    (layout / "index.json").write_text(json.dumps({**index, **fields}))


def test_the_only_image_needs_no_name(layout: Path) -> None:
    image = write(layout, "1")
    assert source(layout).resolve().descriptor == image.descriptor


def test_an_index_is_what_it_is(layout: Path) -> None:
    index = write_index(layout, {"linux/amd64": ImageBuilder(), "linux/arm64": ImageBuilder()}, "1")
    assert source(layout, "1").resolve().descriptor == index.descriptor


@pytest.mark.parametrize("ref", ["b", "digest", "docker.io/library/b:1"])
def test_one_of_several_is_named(layout: Path, ref: str) -> None:
    """By reference name, by containerd's name, by digest."""
    write(layout, "a")
    image = write(layout, "b")
    index = json.loads((layout / "index.json").read_bytes())
    index["manifests"][1]["annotations"]["io.containerd.image.name"] = "docker.io/library/b:1"
    (layout / "index.json").write_text(json.dumps(index))
    found = source(layout, str(image.digest) if ref == "digest" else ref).resolve()
    assert found.descriptor == image.descriptor


def test_without_a_name_the_candidates_are_listed(layout: Path) -> None:
    """R075."""
    images = [write(layout, "a"), write(layout, "b")]
    with pytest.raises(UsageError, match="several images") as caught:
        source(layout).resolve()
    assert caught.value.actual == ", ".join(
        f"{name!r} ({image.digest.short})" for name, image in zip("ab", images, strict=True)
    )


def test_an_unknown_name_lists_the_candidates(layout: Path) -> None:
    """R075."""
    write(layout, "a")
    with pytest.raises(NotInStoreError, match="no such image") as caught:
        source(layout, "c").resolve()
    assert caught.value.actual is not None
    assert "'a'" in caught.value.actual


def test_one_name_for_several_images_lists_them(layout: Path) -> None:
    """R075: the names are no help here, the digests are."""
    images = [write(layout, "a", f"{number}") for number in range(30)]
    name = {"org.opencontainers.image.ref.name": "a"}
    edit_index(
        layout,
        manifests=[{**image.descriptor.to_json(), "annotations": name} for image in images],
    )
    with pytest.raises(UsageError) as caught:
        source(layout, "a").resolve()
    assert caught.value.actual is not None
    assert caught.value.actual.endswith(" and 10 more")
    found = source(layout, str(images[7].digest)).resolve()
    assert found.descriptor == images[7].descriptor


def test_one_image_with_several_names_is_one_image(layout: Path) -> None:
    image = write(layout, "a", "text")
    write(layout, "b", "text")
    assert source(layout).resolve().descriptor == image.descriptor


@pytest.mark.parametrize("manifests", [None, []])
def test_no_entries_is_an_empty_layout(layout: Path, manifests: object) -> None:
    """R075: umoci has written ``null``."""
    write(layout, "a")
    edit_index(layout, manifests=manifests)
    for ref in (None, "a"):
        with pytest.raises(NotInStoreError, match="no image"):
            source(layout, ref).resolve()


@pytest.mark.parametrize("missing", ["oci-layout", "index.json"])
def test_what_is_no_layout_is_told(layout: Path, missing: str) -> None:
    write(layout, "a")
    (layout / missing).unlink()
    with pytest.raises(NotInStoreError, match=missing):
        source(layout).resolve()


def test_another_version_is_refused(layout: Path) -> None:
    """R110."""
    write(layout, "a")
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "2.0.0"}')
    with pytest.raises(UnsupportedContentError, match="another version"):
        source(layout).resolve()


@pytest.mark.parametrize("name", ["oci-layout", "index.json"])
@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff", b'{"manifests": {}}', b"[" * 50_000])
def test_malformed_documents_are_errors(layout: Path, name: str, raw: bytes) -> None:
    """S037, S045."""
    write(layout, "a")
    (layout / name).write_bytes(raw)
    with pytest.raises(DocumentError):
        source(layout).resolve()


@pytest.mark.parametrize("name", ["oci-layout", "index.json"])
def test_documents_have_limits(layout: Path, name: str) -> None:
    """S124: sparse files, so that a gigabyte costs nothing to make."""
    write(layout, "a")
    os.truncate(layout / name, 1 << 30)
    with pytest.raises(ContentError, match="too large"):
        source(layout).resolve()


def test_digests_that_are_no_digests_are_no_candidates(layout: Path) -> None:
    """S026, S034."""
    image = write(layout, "a")
    index = json.loads((layout / "index.json").read_bytes())
    traps = ["sha256:../../../etc/passwd", "md5:abc", "", "sha256:" + "A" * 64]
    entries = [{"mediaType": "", "digest": trap, "size": 1} for trap in traps]
    edit_index(layout, manifests=[*entries, *index["manifests"]])
    assert source(layout).resolve().descriptor == image.descriptor


@pytest.mark.parametrize("kind", ["symlink", "fifo", "directory"])
@pytest.mark.parametrize("victim", ["index.json", "blob"])
def test_traps_are_not_opened(layout: Path, tmp_path: Path, kind: str, victim: str) -> None:
    """S120: a link could name any file, and a pipe would never end."""
    image = write(layout, "a")
    path = layout / victim
    if victim == "blob":
        path = layout / "blobs/sha256" / image.config.digest.encoded
    content = path.read_bytes()
    path.unlink()
    match kind:
        case "symlink":
            (tmp_path / "outside").write_bytes(content)
            path.symlink_to(tmp_path / "outside")
        case "fifo":
            os.mkfifo(path)
        case _:
            path.mkdir()
    opened = source(layout)
    with pytest.raises(ContentError, match="not a plain file"):
        b"".join(opened.fetch(image.config).chunks(0) if victim == "blob" else [opened.resolve()])  # type: ignore[list-item]  # resolve raises


def test_a_blob_that_is_not_there_is_named(layout: Path) -> None:
    """S126: an index's missing child."""
    image = write(layout, "a")
    (layout / "blobs/sha256" / image.config.digest.encoded).unlink()
    with pytest.raises(NotInStoreError, match=image.config.digest.encoded):
        next(source(layout).fetch(image.config).chunks(0))


@pytest.mark.parametrize("transport", ["oci", "oci-archive"])
@pytest.mark.parametrize("lie", ["other", "longer", "shorter"])
def test_content_that_lies_is_caught_by_the_store(
    layout: Path, tmp_path: Path, transport: str, lie: str
) -> None:
    """S126: verified like what a registry sends."""
    image = write(layout, "a")
    blob = layout / "blobs/sha256" / image.layers[0].digest.encoded
    content = blob.read_bytes()
    lies = {"other": content[:-1] + b"?", "longer": content + b"?", "shorter": content[:-1]}
    blob.write_bytes(lies[lie])
    name = PathName("oci", str(layout))
    if transport == "oci-archive":
        write_oci_archive(layout, tmp_path / "archive.tar")
        name = PathName("oci-archive", str(tmp_path / "archive.tar"))
    store = LayoutStore(tmp_path / "store")
    opened = open_source(name)
    expected = DigestMismatchError if lie == "other" else SizeMismatchError
    with pytest.raises(expected):
        store.ingest(opened.fetch(image.layers[0]), RecordedProgress())
    opened.close()
    assert store.find(image.layers[0].digest) is None


def test_the_size_of_an_entry_is_a_promise_too(layout: Path, tmp_path: Path) -> None:
    image = write(layout, "a")
    entry = Descriptor(mediatype.OCI_MANIFEST, image.digest, 1).to_json()
    edit_index(layout, manifests=[entry])
    with pytest.raises(SizeMismatchError):
        LayoutStore(tmp_path / "store").ingest(source(layout).resolve(), RecordedProgress())


def test_a_file_where_a_directory_belongs_gets_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotInStoreError, match="not a directory") as caught:
        open_source(PathName("oci", str(tmp_path / "file")))
    assert caught.value.hint == "for an archive: oci-archive: or docker-archive:"
