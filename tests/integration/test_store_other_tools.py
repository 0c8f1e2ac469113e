"""The store is a plain OCI layout: skopeo and umoci read it, and write beside us."""

import json
import subprocess
from pathlib import Path

import pytest

from imgfetch.archive import open_source
from imgfetch.cas.directory import LayoutStore
from imgfetch.cas.gc import collect
from imgfetch.interfaces import Source
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.manifest import Manifest, parse
from imgfetch.oci.transport import PathName, PathTransport
from tests.support.contents import File
from tests.support.images import ImageBuilder, WrittenImage, write_index
from tests.support.sources import RecordedProgress
from tests.support.tools import require_tool

NAMES = [
    "docker.io/library/alpine:3",
    "127.0.0.1:5000/x/y:tag",
    "docker.io/library/alpine@sha256:" + "0" * 64,
    "registry.example/a-b/c.d_e:v1.2-rc_3",
]


def run(*argv: str) -> str:
    done = subprocess.run(
        [require_tool(argv[0]), *argv[1:]], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def skopeo(*argv: str) -> str:
    return run("skopeo", "--insecure-policy", *argv)


def load(store: LayoutStore, source: Source, name: str) -> Descriptor:
    """Takes one platform's image into the store."""
    progress = RecordedProgress()
    with store.lease():
        top = source.resolve()
        store.ingest(top, progress)
        document = parse(store.read(top.descriptor, 1 << 20), top.descriptor.media_type)
        assert isinstance(document, Manifest)
        for part in (document.config, *document.layers):
            store.ingest(source.fetch(part), progress)
        store.tag(name, top.descriptor)
    source.close()
    return top.descriptor


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return tmp_path / "layout"


@pytest.fixture
def image(layout: Path) -> WrittenImage:
    builder = ImageBuilder().config(cmd=["true"]).layer({"a": File("1")})
    return builder.layer({"b": File("2")}).write(layout, "x:1")


@pytest.fixture
def store(tmp_path: Path, layout: Path, image: WrittenImage) -> LayoutStore:
    store = LayoutStore(tmp_path / "store")
    for name in NAMES:
        load(store, open_source(PathName("oci", str(layout))), name)
    return store


@pytest.mark.parametrize("name", NAMES)
def test_skopeo_reads_what_we_wrote(
    store: LayoutStore, image: WrittenImage, tmp_path: Path, name: str
) -> None:
    raw = skopeo("inspect", "--raw", f"oci:{store.path}:{name}")
    assert Descriptor.of(raw.encode(), "").digest == image.digest
    skopeo("copy", "--quiet", f"oci:{store.path}:{name}", f"dir:{tmp_path / 'dir'}")


@pytest.mark.parametrize("name", NAMES)
def test_umoci_reads_what_we_wrote(store: LayoutStore, name: str, tmp_path: Path) -> None:
    assert name in run("umoci", "ls", "--layout", store.path).splitlines()
    run("umoci", "unpack", "--image", f"{store.path}:{name}", str(tmp_path / "bundle"))
    assert (tmp_path / "bundle/rootfs/b").read_text() == "2"


def test_umoci_collects_nothing_that_we_need(store: LayoutStore, image: WrittenImage) -> None:
    """Nothing but blobs is touched, either."""
    run("umoci", "gc", "--layout", store.path)
    assert all(store.contains(part) for part in (image.config, *image.layers))
    assert (Path(store.path) / "ingest").is_dir()
    assert (Path(store.path) / "locks").is_dir()


def test_we_collect_nothing_that_skopeo_wrote(
    store: LayoutStore, layout: Path, tmp_path: Path
) -> None:
    """R103."""
    other = ImageBuilder().layer({"other": File("3")}).write(tmp_path / "other", "x:1")
    skopeo("copy", "--quiet", f"oci:{tmp_path / 'other'}:x:1", f"oci:{store.path}:theirs")
    store.untag(NAMES[0])
    collect(store)
    theirs = store.lookup("theirs")
    assert theirs is not None
    assert theirs.digest == other.digest
    assert store.contains(other.layers[0])
    skopeo("inspect", f"oci:{store.path}:theirs")


def test_an_index_with_one_of_its_platforms_is_read_by_skopeo(layout: Path, tmp_path: Path) -> None:
    builder = ImageBuilder().layer({"a": File("1")})
    index = write_index(layout, {"linux/amd64": builder, "linux/arm64": builder}, "multi")
    store = LayoutStore(tmp_path / "store")
    source = open_source(PathName("oci", str(layout), "multi"))
    progress = RecordedProgress()
    with store.lease():
        present = index.images[0]
        store.ingest(source.resolve(), progress)
        for part in (present.descriptor, present.config, *present.layers):
            store.ingest(source.fetch(part), progress)
        store.tag("docker.io/library/multi:1", index.descriptor)
    name = f"oci:{store.path}:docker.io/library/multi:1"
    config = skopeo("--override-os=linux", "--override-arch=amd64", "inspect", "--config", name)
    assert json.loads(config)["architecture"] == "amd64"


@pytest.mark.parametrize("transport", ["oci", "oci-archive", "docker-archive", "dir"])
def test_what_skopeo_writes_we_read(
    layout: Path, image: WrittenImage, tmp_path: Path, transport: PathTransport
) -> None:
    """R074."""
    target = str(tmp_path / "target")
    ref = "" if transport == "dir" else ":docker.io/some/image:1"
    skopeo("copy", "--quiet", f"oci:{layout}:x:1", f"{transport}:{target}{ref}")
    store = LayoutStore(tmp_path / "store")
    ref_name = ref[1:] or None
    descriptor = load(store, open_source(PathName(transport, target, ref_name)), "here")
    if transport != "docker-archive":
        assert descriptor.digest == image.digest
    config = json.loads(skopeo("inspect", "--config", f"oci:{store.path}:here"))
    assert config["rootfs"]["diff_ids"] == [str(diff_id) for diff_id in image.diff_ids]
