"""Images to directories: whole, or not at all."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from imgfetch.cas.memory import MemoryStore
from imgfetch.errors import InvalidOptionError, MalformedLayerError, NoSpaceError
from imgfetch.layer.applier import Applier
from imgfetch.oci import mediatype
from imgfetch.oci.config import ImageConfig
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import DiffID
from imgfetch.oci.image import Image, Layer
from imgfetch.oci.manifest import Manifest, parse
from imgfetch.snapshot.unpacker import Unpacker
from imgfetch.workflow.unpack import unpack_bundle, unpack_rootfs
from tests.support.contents import Contents, tar
from tests.support.documents import config, encode, manifest
from tests.support.images import Dir, File, Symlink
from tests.support.incoming import Incoming
from tests.support.mounts import small_tmpfs
from tests.support.sources import RecordedProgress
from tests.support.trees import paths, snapshot_tree

LAYERS: tuple[Contents, ...] = (
    {"etc": Dir(), "etc/a": File("1"), "link": Symlink("etc")},
    {"etc/b": File("2"), "run": Dir(mode=0o1777)},
)
TREE = {"etc", "etc/a", "etc/b", "link", "run"}


@dataclass(slots=True)
class Setting:
    """An image in memory, and what unpacks it."""

    target: Path
    content: MemoryStore = field(default_factory=MemoryStore)
    progress: RecordedProgress = field(default_factory=RecordedProgress)

    @property
    def unpacker(self) -> Unpacker:
        return Unpacker(self.content, Applier(), self.progress)

    def image(self, layers: tuple[Contents | bytes, ...] = LAYERS) -> Image:
        return image_of(tuple(map(self._layer, layers)))

    def _layer(self, contents: Contents | bytes) -> Layer:
        stream = contents if isinstance(contents, bytes) else tar(contents)
        incoming = Incoming.of(stream)
        self.content.ingest(incoming.content, self.progress)
        digest = incoming.descriptor.digest
        return Layer(Descriptor(mediatype.OCI_LAYER, digest, len(stream)), DiffID(digest))

    def bundle(self, image: Image, write: Callable[[str], None] | None = None) -> None:
        unpack_bundle(image, str(self.target), self.unpacker, write or write_config)

    def rootfs(self, image: Image) -> None:
        unpack_rootfs(image, str(self.target), self.unpacker)


def image_of(layers: tuple[Layer, ...]) -> Image:
    raw_config = encode(
        config(rootfs={"type": "layers", "diff_ids": [str(layer.diff_id) for layer in layers]})
    )
    raw = encode(manifest(layers=[layer.descriptor.to_json() for layer in layers]))
    top = Descriptor.of(raw, "application/vnd.oci.image.manifest.v1+json")
    document = parse(raw, top.media_type, "manifest")
    assert isinstance(document, Manifest)
    return Image(top, document, ImageConfig.from_json(raw_config, "config"))


def write_config(bundle: str) -> None:
    Path(bundle, "config.json").write_text("{}")


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(tmp_path / "target")


@pytest.fixture(params=["absent", "empty", "deep"])
def untouched(
    request: pytest.FixtureRequest, tmp_path: Path, setting: Setting
) -> Callable[[], bool]:
    """A target that is absent, empty, or below others that are absent; whether it still is."""
    if request.param == "empty":
        setting.target.mkdir()
    if request.param == "deep":
        setting.target = setting.target / "some" / "where"
    before = snapshot_tree(tmp_path, ignore=["mtime_ns"])
    return lambda: snapshot_tree(tmp_path, ignore=["mtime_ns"]) == before


def test_a_bundle_is_a_rootfs_and_a_config(setting: Setting, untouched: Callable[[], bool]) -> None:
    setting.bundle(setting.image())
    assert paths(setting.target) == {"config.json", "rootfs", *(f"rootfs/{p}" for p in TREE)}
    assert setting.progress.warnings == []
    assert not untouched()


def test_a_rootfs_is_the_directory_itself(setting: Setting, untouched: Callable[[], bool]) -> None:
    setting.rootfs(setting.image())
    assert paths(setting.target) == TREE


def test_the_directory_gets_what_the_image_says_of_its_root(setting: Setting) -> None:
    root = Dir(mode=0o750, uid=7, gid=8, mtime=1_500_000_000, xattrs={"user.x": b"y"})
    setting.rootfs(setting.image(({"./": root, "a": File("1")}, {"b": File("2")})))
    node = snapshot_tree(setting.target)["."]
    assert (node.mode, node.uid, node.gid) == (0o750, 7, 8)
    assert node.xattrs == (("user.x", b"y"),)
    assert node.mtime_ns == 1_500_000_000 * 10**9


def test_a_label_of_the_hosts_policy_is_left_to_the_host(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SELinux lets few programs label a directory, and gives every one a label unasked."""
    real = os.listxattr

    def labelled(path: str) -> list[str]:
        return [*real(path), "security.selinux"]

    monkeypatch.setattr("os.listxattr", labelled)
    monkeypatch.setattr("os.getxattr", lambda _path, _name: b"system_u:object_r:tmp_t:s0")
    setting.rootfs(setting.image())
    monkeypatch.undo()
    assert snapshot_tree(setting.target)["."].xattrs == ()


def test_a_root_that_no_layer_speaks_of_gets_an_owner(setting: Setting) -> None:
    image = setting.image(({"a": File("1")},))
    unpack_bundle(image, str(setting.target), setting.unpacker, write_config, owner=(100, 200))
    tree = snapshot_tree(setting.target)
    assert (tree["rootfs"].uid, tree["rootfs"].gid) == (100, 200)
    assert tree["rootfs"].mode == 0o755


@pytest.mark.parametrize("way", ["bundle", "rootfs"])
def test_a_layer_that_cant_be_applied_leaves_the_target_as_it_was(
    setting: Setting, untouched: Callable[[], bool], way: str
) -> None:
    with pytest.raises(MalformedLayerError):
        getattr(setting, way)(setting.image((LAYERS[0], b"this is no archive")))
    assert untouched()


@pytest.mark.parametrize("failure", [InvalidOptionError("x"), KeyboardInterrupt()])
def test_a_config_that_cant_be_made_leaves_the_target_as_it_was(
    setting: Setting, untouched: Callable[[], bool], failure: BaseException
) -> None:
    def failing(bundle: str) -> None:
        # As the files that a bundle's specification binds over those in /etc.
        (setting.target / "hosts").write_text("127.0.0.1 localhost\n")
        raise failure

    with pytest.raises(type(failure)):
        setting.bundle(setting.image(), failing)
    assert untouched()


def test_what_the_system_refuses_at_the_end_leaves_the_target_as_it_was(
    setting: Setting, untouched: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_path: str, _mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("imgfetch.workflow.unpack.os.chmod", refused)
    with pytest.raises(InvalidOptionError, match="Operation not permitted"):
        setting.rootfs(setting.image())
    monkeypatch.undo()
    assert untouched()


def test_the_tree_is_made_inside_the_target(setting: Setting) -> None:
    """So that it is on the target's file system, and what a killed process left is found."""
    seen: list[set[str]] = []

    def looking(bundle: str) -> None:
        seen.append({path for path in paths(setting.target) if "/" not in path})
        assert Path(bundle).parent == setting.target
        write_config(bundle)

    setting.bundle(setting.image(), looking)
    (names,) = seen
    assert all(name.startswith(".imgfetch-staging-") for name in names)


@pytest.mark.parametrize("way", ["bundle", "rootfs"])
def test_what_a_killed_process_left_is_cleared_away(setting: Setting, way: str) -> None:
    left = setting.target / ".imgfetch-staging-0123456789abcdef"
    (left / "rootfs" / "etc").mkdir(parents=True)
    (left / "rootfs" / "etc" / "a").write_text("half")
    getattr(setting, way)(setting.image())
    assert not left.exists()
    assert {path for path in paths(setting.target) if "staging" in path} == set()


def test_a_directory_that_another_process_unpacks_to_is_refused(setting: Setting) -> None:
    living = setting.target / ".imgfetch-staging-0123456789abcdef"
    living.mkdir(parents=True)
    descriptor = os.open(living, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(InvalidOptionError, match="is not empty"):
            setting.bundle(setting.image())
    finally:
        os.close(descriptor)
    assert paths(setting.target) == {living.name}


def test_two_that_begin_at_once_do_not_mix(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both found the directory empty; neither takes away what the other has made."""
    setting.target.mkdir()
    real = os.urandom

    def with_company(size: int) -> bytes:
        (setting.target / "company").mkdir()
        return real(size)

    monkeypatch.setattr("imgfetch.workflow.unpack.os.urandom", with_company)
    with pytest.raises(InvalidOptionError, match="is not empty"):
        setting.bundle(setting.image())
    assert paths(setting.target) == {"company"}


@pytest.mark.parametrize("name", ["file", ".imgfetch-staging-file", "rootfs"])
def test_a_directory_with_something_in_it_is_refused_and_stays(setting: Setting, name: str) -> None:
    setting.target.mkdir()
    (setting.target / name).write_text("precious")
    with pytest.raises(InvalidOptionError, match="is not empty") as caught:
        setting.bundle(setting.image())
    assert caught.value.actual == name
    assert (setting.target / name).read_text() == "precious"


@pytest.mark.parametrize("below", ["", "x"])
def test_a_target_that_is_no_directory_is_refused(setting: Setting, below: str) -> None:
    setting.target.write_text("precious")
    setting.target = setting.target / below
    with pytest.raises(InvalidOptionError, match="is not a directory"):
        setting.bundle(setting.image())


def test_a_link_to_nowhere_is_refused_and_stays(setting: Setting) -> None:
    setting.target.symlink_to("/no/such/directory")
    with pytest.raises(InvalidOptionError, match="is not a directory"):
        setting.bundle(setting.image())
    assert setting.target.is_symlink()


@pytest.mark.parametrize(
    ("size", "inodes"), [(1 << 20, 0), (64 << 20, 12), (64 << 20, 2)], ids=["size", "inodes", "one"]
)
@pytest.mark.parametrize("way", ["bundle", "rootfs"])
def test_a_full_file_system_is_told_and_left_as_it_was(
    setting: Setting, tmp_path: Path, way: str, size: int, inodes: int
) -> None:
    big: Contents = {f"f{number}": File(b"x" * 200_000) for number in range(20)}
    with small_tmpfs(tmp_path / "small", size=size, inodes=inodes) as small:
        setting.target = small / "target"
        with pytest.raises(NoSpaceError):
            getattr(setting, way)(setting.image((big,)))
        assert paths(small) == set()


def test_a_config_that_finds_no_space_is_told_as_such(setting: Setting) -> None:
    def full(_bundle: str) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(NoSpaceError):
        setting.bundle(setting.image(), full)
    assert not setting.target.exists()
