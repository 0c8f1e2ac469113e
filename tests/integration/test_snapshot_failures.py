"""Snapshots where something else is going on: other processes, failures, odd kernels."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from imgfetch.errors import LayerError, NamespaceError, UnsafeLayerError
from imgfetch.fs import linux
from imgfetch.fs.idmap import IdMapping
from imgfetch.fs.removal import remove_tree
from imgfetch.oci.image import Layer
from imgfetch.snapshot.directory import SnapshotDirectory, chain_names
from tests.support.contents import Device, File
from tests.support.forked import in_namespaces
from tests.support.snapshots import (
    BASE,
    CONTENT,
    EXPECTED,
    MIDDLE,
    TOP,
    Store,
    mounted,
    store_for,
)
from tests.support.trees import snapshot_tree
from tests.support.unpacking import TarApplier
from tests.support.users import User

Place = Callable[[User | None], Store]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return lambda user: store_for(user, tmp_path)


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


def test_a_layer_whose_name_a_power_loss_took_is_unpacked_again(place: Place) -> None:
    """R093: of several names that were given at once any may be gone, the lowest too."""
    store = place(None)

    def work(mapping: IdMapping) -> set[str]:
        layers = [BASE, MIDDLE, TOP]
        store.snapshotter(mapping).prepare(layers)
        for lost in chain_names(layers)[:2]:
            remove_tree(store.path / "snapshots" / mapping.name / lost)
        _, root = mounted(Store(store.path), layers, mapping)
        return set(snapshot_tree(root))

    assert in_namespaces(work) == EXPECTED


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
