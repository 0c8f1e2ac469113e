"""Layers unpacked and mounted by the kernel's overlayfs, as root and as ordinary users."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from imgfetch.errors import LayerError, NamespaceError, UnsafeLayerError
from imgfetch.fs import linux
from imgfetch.fs.idmap import IdMapping
from imgfetch.fs.removal import remove_tree
from imgfetch.interfaces import Snapshotter
from imgfetch.oci.image import Layer
from imgfetch.snapshot.automatic import snapshotter
from imgfetch.snapshot.directory import SnapshotDirectory
from tests.support.contents import (
    Device,
    Dir,
    Executable,
    File,
    Hardlink,
    Opaque,
    Symlink,
    Whiteout,
)
from tests.support.forked import in_namespaces
from tests.support.trees import snapshot_tree
from tests.support.unpacking import MemoryContent, Notes, TarApplier
from tests.support.users import User

ODD = "a:b,c d\\e\\"

CONTENT = MemoryContent()
BASE = CONTENT.add(
    {
        "etc": Dir(mode=0o750),
        "etc/a": File("lower"),
        "etc/b": File("lower", mode=0o4755),
        "etc/c": Hardlink("etc/b", mode=0o4755),
        "opaque": Dir(),
        "opaque/old": File("hidden"),
        "gone": Dir(),
        "gone/deep": File("hidden"),
        "link": Symlink("/etc"),
        "closed": Dir(mode=0),
        "again": Dir(),
        "again/old": File("hidden"),
    }
)
MIDDLE = CONTENT.add(
    {
        "etc/a": Whiteout(),
        "opaque": Opaque(),
        "opaque/new": File("middle"),
        "gone": Whiteout(),
        "again": Whiteout(),
    }
)
TOP = CONTENT.add({"etc/a": Executable("top"), "again": Dir(), "again/new": File("top")})
EXPECTED = {
    ".", "again", "again/new", "closed", "etc", "etc/a", "etc/b", "etc/c", "link", "opaque",
    "opaque/new",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Store:
    """A store's directory and what unpacks into it."""

    path: Path
    content: MemoryContent = CONTENT
    applier: TarApplier = field(default_factory=TarApplier)
    notes: Notes = field(default_factory=Notes)

    def snapshotter(self, mapping: IdMapping, mode: str = "auto") -> Snapshotter:
        (self.path / "locks").mkdir(parents=True, exist_ok=True)
        return snapshotter(
            str(self.path),
            mapping,
            mode=mode,
            # Snapshotters open blobs and nothing else.
            content=self.content,  # type: ignore[arg-type]
            applier=self.applier,
            progress=self.notes,
        )

    def run_directory(self, name: str = "run") -> Path:
        path = self.path / "runs" / name
        path.mkdir(parents=True)
        return path

    def snapshots(self) -> list[str]:
        return sorted(
            str(path.relative_to(self.path / "snapshots"))
            for path in (self.path / "snapshots").glob("*/*")
        )


@pytest.fixture
def place(tmp_path: Path) -> Callable[[User | None], Store]:
    def make(user: User | None) -> Store:
        return Store((user.directory("store") if user else tmp_path) / ODD)

    return make


Place = Callable[[User | None], Store]


def mounted(
    store: Store, layers: list[Layer], mapping: IdMapping, mode: str = "auto", name: str = "run"
) -> tuple[Snapshotter, Path]:
    made = store.snapshotter(mapping, mode)
    made.prepare(layers)
    return made, made.mount(layers, store.run_directory(name))


@pytest.mark.parametrize("mode", ["overlay", "copy", "auto"])
@pytest.mark.parametrize("kind", ["root", "subid_user", "plain_user"])
def test_the_root_is_what_the_layers_say(
    mode: str, kind: str, place: Place, request: pytest.FixtureRequest
) -> None:
    user = None if kind == "root" else request.getfixturevalue(kind)
    store = place(user)

    def work(mapping: IdMapping) -> tuple[set[str], dict[str, str], tuple[int, ...], list[str]]:
        _, root = mounted(store, [BASE, MIDDLE, TOP], mapping, mode)
        tree = snapshot_tree(root)
        texts = {name: (root / name).read_text() for name in ("etc/a", "etc/b", "again/new")}
        modes = (tree["etc"].mode, tree["etc/a"].mode, tree["etc/b"].mode, tree["closed"].mode)
        assert tree["etc/b"].links == ("etc/b", "etc/c")
        assert tree["link"].target == "/etc"
        return set(tree), texts, modes, store.notes.warnings

    paths, texts, modes, warnings = in_namespaces(work, user)
    assert paths == EXPECTED
    assert texts == {"etc/a": "top", "etc/b": "lower", "again/new": "top"}
    assert modes == (0o750, 0o755, 0o4755, 0)
    assert warnings == []


@pytest.mark.parametrize("mode", ["overlay", "copy"])
def test_what_a_run_writes_is_its_own(mode: str, place: Place, any_user: User) -> None:
    """S128, R127: neither the snapshots nor other runs change, and nothing is left."""
    store = place(any_user)

    def work(mapping: IdMapping) -> None:
        first, one = mounted(store, [BASE, MIDDLE], mapping, mode, "one")
        _, two = mounted(store, [BASE, MIDDLE], mapping, mode, "two")
        before = snapshot_tree(two)
        (one / "etc/b").write_text("changed")
        (one / "opaque/new").unlink()
        (one / "opaque").rmdir()
        (one / "opaque").mkdir()
        assert list((one / "opaque").iterdir()) == []
        (one / "sub").mkdir(mode=0)
        assert snapshot_tree(two) == before
        first.unmount(store.path / "runs/one")
        remove_tree(store.path / "runs/one")

    in_namespaces(work, any_user)
    assert not (store.path / "runs/one").exists()


@pytest.mark.parametrize("mode", ["overlay", "copy", "auto"])
def test_an_image_without_layers_has_an_empty_root(mode: str, place: Place) -> None:
    store = place(None)

    def work(mapping: IdMapping) -> list[str]:
        made, root = mounted(store, [], mapping, mode)
        (root / "file").touch()
        made.unmount(root.parent)
        return os.listdir(root)

    assert in_namespaces(work) == ["file"]


def test_one_layer_is_enough_for_an_overlay(place: Place, any_user: User) -> None:
    store = place(any_user)

    def work(mapping: IdMapping) -> str:
        _, root = mounted(store, [BASE], mapping, "overlay")
        return (root / "etc/a").read_text()

    assert in_namespaces(work, any_user) == "lower"


def test_the_root_has_the_attributes_that_the_image_gives_it(place: Place) -> None:
    store = place(None)
    layers = [
        CONTENT.add({".": Dir(mode=0o511, uid=3, gid=4), "a": File()}),
        CONTENT.add({"b": File()}),
    ]

    def work(mapping: IdMapping) -> tuple[int, int, int]:
        _, root = mounted(store, layers, mapping, "overlay")
        status = root.stat()
        return status.st_mode & 0o7777, status.st_uid, status.st_gid

    assert in_namespaces(work) == (0o511, 3, 4)


def test_200_layers_can_be_mounted(place: Place, plain_user: User) -> None:
    store = place(plain_user)
    layers = [CONTENT.add({f"f{number}": File(str(number))}) for number in range(200)]

    def work(mapping: IdMapping) -> int:
        _, root = mounted(store, layers, mapping, "overlay")
        assert (root / "f0").read_text() == "0"
        assert (root / "f199").read_text() == "199"
        return len(os.listdir(root))

    assert in_namespaces(work, plain_user) == 200


def test_layers_that_images_share_are_unpacked_once(place: Place, tmp_path: Path) -> None:
    log = tmp_path / "log"
    store = Store(place(None).path, applier=TarApplier(log))

    def work(mapping: IdMapping) -> set[str]:
        mounted(store, [BASE, MIDDLE, TOP], mapping, "overlay", "one")
        # The topmost one here was in the middle of the other.
        _, root = mounted(store, [BASE, MIDDLE], mapping, "overlay", "two")
        mounted(store, [BASE, TOP], mapping, "overlay", "three")
        return set(os.listdir(root))

    assert "again" not in in_namespaces(work)
    short = [layer.diff_id.short for layer in (BASE, MIDDLE, TOP, TOP)]
    assert log.read_text().split() == short


def test_a_warm_run_opens_no_blob(place: Place, any_user: User) -> None:
    store = place(any_user)
    in_namespaces(lambda mapping: mounted(store, [BASE, TOP], mapping)[1], any_user)
    empty = Store(store.path, MemoryContent())

    def again(mapping: IdMapping) -> str:
        return (mounted(empty, [BASE, TOP], mapping, name="again")[1] / "etc/a").read_text()

    assert in_namespaces(again, any_user) == "top"


def test_a_layer_is_applied_once_by_several_processes_at_once(place: Place, tmp_path: Path) -> None:
    """R095."""
    log = tmp_path / "log"
    store = Store(place(None).path, applier=TarApplier(log))
    layers = [BASE, MIDDLE, TOP]

    def work(mapping: IdMapping) -> list[int]:
        children = []
        # One of the images is the lower part of the other.
        for number in range(8):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    _, root = mounted(store, layers[: 2 + number % 2], mapping, name=str(number))
                    status = 0 if (root / "opaque/new").read_text() == "middle" else 2
                finally:
                    os._exit(status)
            children.append(child)
        return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]

    assert in_namespaces(work) == [0] * 8
    assert sorted(log.read_text().split()) == sorted(layer.diff_id.short for layer in layers)
    assert not any("staging" in name for name in store.snapshots())
    assert list((store.path / "locks").iterdir()) == []


@pytest.mark.parametrize("mode", ["overlay", "copy"])
def test_a_layer_that_fails_leaves_nothing_of_itself(mode: str, place: Place) -> None:
    def refuse(layer: Layer) -> None:
        if layer == TOP:
            raise UnsafeLayerError(str(layer.diff_id))

    store = Store(place(None).path, applier=TarApplier(before=refuse))

    def work(mapping: IdMapping) -> list[str]:
        with pytest.raises(LayerError):
            store.snapshotter(mapping, mode).prepare([BASE, MIDDLE, TOP])
        kept = store.snapshots()
        assert "rootfs" not in Path("/proc/self/mountinfo").read_text()
        mounted(Store(store.path), [BASE, MIDDLE, TOP], mapping, mode)
        return kept

    kept = in_namespaces(work)
    assert len(kept) == (2 if mode == "overlay" else 0)
    assert not any("staging" in name for name in kept)


@pytest.mark.parametrize("mode", ["overlay", "copy"])
def test_a_killed_process_is_cleaned_up_after(mode: str, place: Place, any_user: User) -> None:
    """R091."""
    store = place(any_user)

    def kill(layer: Layer) -> None:
        if layer == TOP:
            os.kill(os.getpid(), signal.SIGKILL)

    def work(mapping: IdMapping) -> tuple[list[str], str]:
        child = os.fork()
        if child == 0:
            linux.unshare(linux.CLONE_NEWNS)  # what is mounted ends with a process's namespace
            killed = Store(store.path, applier=TarApplier(before=kill))
            killed.snapshotter(mapping, mode).prepare([BASE, MIDDLE, TOP])
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        left = store.snapshots()
        _, root = mounted(store, [BASE, MIDDLE, TOP], mapping, mode)
        return left, (root / "etc/a").read_text()

    left, text = in_namespaces(work, any_user)
    assert len(left) == 1
    assert "/staging-" in left[0]
    assert text == "top"
    assert not any("staging" in name for name in store.snapshots())


def test_a_store_on_an_overlay_is_run_from_memory(place: Place) -> None:
    """R126: an upper directory can't be on an overlay, as the file system of a pod is."""
    store = place(None)

    def work(mapping: IdMapping) -> tuple[set[str], list[str], str]:
        for name in ("lower", "upper", "work"):
            (store.path / name).mkdir(parents=True)
        pod = store.path.parent / "pod"
        pod.mkdir()
        os.chdir(store.path)
        linux.mount("overlay", str(pod), "overlay", 0, "lowerdir=lower,upperdir=upper,workdir=work")
        inner = Store(pod / "store")
        made, root = mounted(inner, [BASE, MIDDLE, TOP], mapping)
        (root / "etc/new").write_text("new")
        kinds = {
            line.split()[4]: line.split(" - ")[1].split()[0]
            for line in Path("/proc/self/mountinfo").read_text().splitlines()
        }
        result = set(snapshot_tree(root)), inner.notes.warnings, kinds[str(root)]
        made.unmount(root.parent)
        remove_tree(root.parent)
        return result

    paths, warnings, kind = in_namespaces(work)
    assert paths == EXPECTED | {"etc/new"}
    assert len(warnings) == 1
    assert "kept in memory" in warnings[0]
    assert kind == "overlay"


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENODEV, errno.EINVAL, errno.EACCES])
def test_where_overlayfs_is_refused_runs_get_a_copy(
    code: int, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R172."""
    store = place(None)
    really = linux.mount

    def refuse(source: str, target: str, kind: str | None, *rest: object) -> None:
        if kind == "overlay":
            raise OSError(code, os.strerror(code), target)
        really(source, target, kind, *rest)  # type: ignore[arg-type]

    def work(mapping: IdMapping) -> tuple[set[str], list[str]]:
        monkeypatch.setattr(linux, "mount", refuse)
        with pytest.raises(NamespaceError, match="overlayfs can't be mounted"):
            mounted(store, [BASE, MIDDLE], mapping, "overlay", "refused")
        mounted(store, [BASE, MIDDLE, TOP], mapping, name="one")
        made, root = mounted(store, [BASE, MIDDLE, TOP], mapping, name="two")
        tree = snapshot_tree(root)
        made.unmount(root.parent)
        remove_tree(root.parent)
        return set(tree), os.listdir(store.path / "runs")

    paths, runs = in_namespaces(work)
    assert paths == EXPECTED
    assert sorted(runs) == ["one"]


def test_files_of_ids_that_do_not_exist_are_told_of_once(place: Place, plain_user: User) -> None:
    """R121."""
    store = place(plain_user)
    layers = [CONTENT.add({f"x{number}": File(uid=5, gid=5)}) for number in range(3)]

    def work(mapping: IdMapping) -> list[str]:
        mounted(store, layers, mapping)
        return store.notes.warnings

    (warning,) = in_namespaces(work, plain_user)
    assert warning.startswith("3 files belong to users or groups that do not exist here")


def test_a_snapshot_in_use_is_not_removed(place: Place) -> None:
    """R102."""
    store = place(None)

    def work(mapping: IdMapping) -> list[bool]:
        directory = SnapshotDirectory(f"{store.path}/snapshots/{mapping.name}")
        made = store.snapshotter(mapping, "overlay")
        made.prepare([BASE, MIDDLE])
        names = directory.names()
        lower, upper = sorted(names, key=lambda name: directory.record(name).parent or "")
        in_use = [directory.remove(lower), directory.remove(upper)]
        assert directory.names() == names
        made.close()  # type: ignore[attr-defined]  # of all implementations, not of the Protocol
        return [*in_use, directory.remove(lower), directory.remove(upper), directory.remove(lower)]

    assert in_namespaces(work) == [False, False, False, True, True]
    assert store.snapshots() == []


def test_devices_are_kept_by_a_copy(place: Place) -> None:
    store = place(None)
    layers = [CONTENT.add({"null": Device(major=1, minor=3, mode=0o666)})]

    def work(mapping: IdMapping) -> tuple[int, int] | None:
        _, root = mounted(store, layers, mapping, "copy")
        return snapshot_tree(root)["null"].rdev

    assert in_namespaces(work) == (1, 3)
