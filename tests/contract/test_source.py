"""What every source does, wherever its image is."""

import bz2
import gzip
import io
import lzma
import os
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import zstandard

from imgfetch.archive import open_source
from imgfetch.cas.memory import MemoryStore
from imgfetch.errors import ImgfetchError, NotFoundError, NotInStoreError
from imgfetch.interfaces import Source
from imgfetch.oci.config import ImageConfig
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.document import CONFIG_LIMIT, MANIFEST_LIMIT
from imgfetch.oci.manifest import Index, Manifest, parse
from imgfetch.oci.transport import PathName
from imgfetch.oci.unverified import Unverified
from tests.support.archives import write_docker_archive, write_oci_archive
from tests.support.contents import File
from tests.support.images import ImageBuilder, WrittenImage
from tests.support.sources import RecordedProgress, source_of_layout
from tests.support.tools import require_tool

REF = "some/image:1"


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return tmp_path / "layout"


@pytest.fixture
def image(layout: Path) -> WrittenImage:
    builder = ImageBuilder().config(cmd=["true"])
    builder = builder.layer({"a": File(os.urandom(300_000))}).layer({"b": File("b")}, "none")
    return builder.write(layout, REF)


def oci(layout: Path, image: WrittenImage) -> Source:
    return open_source(PathName("oci", str(layout), REF))


def oci_archive(layout: Path, image: WrittenImage) -> Source:
    write_oci_archive(layout, layout.parent / "archive")
    return open_source(PathName("oci-archive", str(layout.parent / "archive")))


def compressed(compress: Callable[[bytes], bytes]) -> Callable[[Path, WrittenImage], Source]:
    def opened(layout: Path, image: WrittenImage) -> Source:
        archive = layout.parent / "archive"
        write_oci_archive(layout, archive)
        archive.write_bytes(compress(archive.read_bytes()))
        return open_source(PathName("oci-archive", str(archive)))

    return opened


def piped(layout: Path, image: WrittenImage) -> Source:
    write_oci_archive(layout, layout.parent / "archive")
    reader, writer = os.pipe()

    def write() -> None:
        with os.fdopen(writer, "wb") as pipe:
            pipe.write((layout.parent / "archive").read_bytes())

    thread = threading.Thread(target=write)
    thread.start()
    try:
        return open_source(PathName("oci-archive", f"/dev/fd/{reader}"))
    finally:
        thread.join()
        os.close(reader)


def docker_archive(layout: Path, image: WrittenImage) -> Source:
    write_docker_archive(layout, {image: ["some/image:1"]}, layout.parent / "archive")
    return open_source(PathName("docker-archive", str(layout.parent / "archive")))


def plain_directory(layout: Path, image: WrittenImage) -> Source:
    target = layout.parent / "dir"
    argv = [
        "skopeo",
        "--insecure-policy",
        "copy",
        "--quiet",
        f"oci:{layout}:{REF}",
        f"dir:{target}",
    ]
    subprocess.run([require_tool(argv[0]), *argv[1:]], check=True, timeout=60)
    return open_source(PathName("dir", str(target)))


def fake(layout: Path, image: WrittenImage) -> Source:
    return source_of_layout(layout, REF)


SOURCES: dict[str, Callable[[Path, WrittenImage], Source]] = {
    "oci": oci,
    "oci-archive": oci_archive,
    "oci-archive gzip": compressed(gzip.compress),
    "oci-archive zstd": compressed(zstandard.ZstdCompressor().compress),
    "oci-archive xz": compressed(lzma.compress),
    "oci-archive bzip2": compressed(bz2.compress),
    "oci-archive piped": piped,
    "docker-archive": docker_archive,
    "dir": plain_directory,
    "fake": fake,
}


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest, layout: Path, image: WrittenImage) -> Iterator[Source]:
    with ExitStack() as stack:
        source = SOURCES[request.param](layout, image)
        stack.callback(source.close)
        yield source


def received(content: Unverified, offset: int = 0) -> bytes:
    return b"".join(content.chunks(offset))


def fetch_image(source: Source) -> tuple[Manifest, ImageConfig, list[bytes]]:
    """A whole image through a store, which verifies all of it."""
    store = MemoryStore()
    progress = RecordedProgress()
    top = source.resolve()
    store.ingest(top, progress)
    document = parse(store.read(top.descriptor, MANIFEST_LIMIT), top.descriptor.media_type)
    assert not isinstance(document, Index)
    for descriptor in (document.config, *document.layers):
        store.ingest(source.fetch(descriptor), progress)
    config = ImageConfig.from_json(store.read(document.config, CONFIG_LIMIT))
    return document, config, [store.open(layer).read() for layer in document.layers]


def test_a_whole_image_arrives(source: Source, image: WrittenImage, layout: Path) -> None:
    manifest, config, layers = fetch_image(source)
    assert manifest.is_image
    assert manifest.config.digest == image.config.digest
    assert config.diff_ids == image.diff_ids
    assert layers == [
        (layout / "blobs/sha256" / layer.digest.encoded).read_bytes() for layer in image.layers
    ]


def test_the_descriptor_is_of_the_bytes_that_come(source: Source) -> None:
    """S031."""
    content = source.resolve()
    raw = received(content)
    assert Descriptor.of(raw, "").digest == content.descriptor.digest
    assert len(raw) == content.descriptor.size


def test_resolving_again_gives_the_same(source: Source) -> None:
    assert source.resolve().descriptor == source.resolve().descriptor


def test_a_transfer_starts_anywhere(source: Source, image: WrittenImage) -> None:
    """R028: that is how a broken one goes on."""
    layer = parse(received(source.resolve())).layers[0]  # type: ignore[union-attr]  # checked above
    whole = received(source.fetch(layer))
    for offset in (0, 1, 100_000, layer.size - 1, layer.size):
        assert received(source.fetch(layer), offset) == whole[offset:]
    top = source.resolve()
    assert received(top, 5) == received(top)[5:]


def test_a_transfer_can_be_ended(source: Source, image: WrittenImage) -> None:
    content = source.fetch(parse(received(source.resolve())).layers[0])  # type: ignore[union-attr]  # as above
    chunks = content.chunks(0)
    next(chunks)
    before = len(os.listdir("/proc/self/fd"))
    chunks.close()
    assert len(os.listdir("/proc/self/fd")) <= before
    assert received(content)


def test_transfers_do_not_disturb_each_other(source: Source, image: WrittenImage) -> None:
    """Layers are fetched by several threads at once."""
    manifest = parse(received(source.resolve()))
    assert isinstance(manifest, Manifest)
    first, second = (source.fetch(layer).chunks(0) for layer in manifest.layers)
    one, other = next(first), next(second)
    layers = [one + b"".join(first), other + b"".join(second)]
    for layer, raw in zip(manifest.layers, layers, strict=True):
        assert Descriptor.of(raw, "").digest == layer.digest


def test_what_is_missing_is_named_when_it_is_wanted(source: Source, image: WrittenImage) -> None:
    """S126."""
    source.resolve()
    missing = Descriptor.of(b"not there", "")
    content = source.fetch(missing)
    with pytest.raises((NotFoundError, NotInStoreError), match=missing.digest.encoded):
        received(content)


def test_it_can_be_closed_twice(source: Source) -> None:
    source.close()
    source.close()


def test_names_tell_where_things_come_from(source: Source, layout: Path) -> None:
    assert source.name
    assert source.resolve().origin


def test_a_tar_of_the_layouts_directory_is_an_archive_too(
    layout: Path, image: WrittenImage
) -> None:
    """``tar -C layout -cf archive .`` has ``./`` before all names."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        tar.add(layout, ".")
    (layout.parent / "archive").write_bytes(stream.getvalue())
    source = open_source(PathName("oci-archive", str(layout.parent / "archive")))
    fetch_image(source)
    source.close()


@pytest.mark.parametrize("transport", ["oci", "oci-archive", "docker-archive", "dir"])
def test_a_missing_file_is_named(tmp_path: Path, transport: str) -> None:
    path = str(tmp_path / "nowhere")
    with pytest.raises(ImgfetchError, match=path):
        open_source(PathName(transport, path)).resolve()  # type: ignore[arg-type]  # one of them
