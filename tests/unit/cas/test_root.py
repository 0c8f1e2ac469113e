"""Whose the store is, what it is, and how it comes to be."""

import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imgfetch.cas.directory import LayoutStore
from imgfetch.errors import StoreCorruptError, StoreError
from imgfetch.oci.descriptor import Descriptor
from tests.support.incoming import Incoming
from tests.support.mounts import make_read_only, small_tmpfs
from tests.support.sources import RecordedProgress
from tests.support.trees import paths, snapshot_tree

OTHER_USER = 4242


@pytest.fixture(params=[0o000, 0o077, 0o277], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def fill(path: Path, data: bytes = b"content") -> Descriptor:
    """A store with one blob that has a name."""
    incoming = Incoming.of(data)
    store = LayoutStore(path)
    store.ingest(incoming.content, RecordedProgress())
    store.tag("some/name:1", incoming.descriptor)
    return incoming.descriptor


def modes(root: Path) -> dict[str, int]:
    return {path: node.mode for path, node in snapshot_tree(root).items()}


def test_everything_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    """S088, R070."""
    descriptor = fill(tmp_path / "data" / "store")
    assert modes(tmp_path / "data") == {
        ".": 0o700,
        "store": 0o700,
        "store/blobs": 0o700,
        "store/blobs/sha256": 0o700,
        f"store/blobs/sha256/{descriptor.digest.encoded}": 0o600,
        "store/index.json": 0o600,
        "store/ingest": 0o700,
        "store/locks": 0o700,
        "store/locks/content.lock": 0o600,
        "store/locks/index.lock": 0o600,
        "store/oci-layout": 0o600,
    }


def test_the_store_is_a_layout_as_the_specification_has_it(tmp_path: Path) -> None:
    descriptor = fill(tmp_path / "store")
    assert json.loads((tmp_path / "store/oci-layout").read_bytes()) == {
        "imageLayoutVersion": "1.0.0"
    }
    assert json.loads((tmp_path / "store/index.json").read_bytes()) == {
        "schemaVersion": 2,
        "manifests": [
            {
                "mediaType": descriptor.media_type,
                "digest": str(descriptor.digest),
                "size": descriptor.size,
                "annotations": {"org.opencontainers.image.ref.name": "some/name:1"},
            }
        ],
    }


def test_readers_do_not_make_a_store(tmp_path: Path) -> None:
    store = LayoutStore(tmp_path / "store")
    assert store.lookup("x") is None
    assert store.untag("x") is None
    assert store.entries() == []
    assert not store.contains(Descriptor.of(b"", ""))
    assert paths(tmp_path) == set()


def test_a_reader_sees_what_is_made_later(tmp_path: Path) -> None:
    store = LayoutStore(tmp_path / "store")
    assert store.entries() == []
    descriptor = fill(tmp_path / "store")
    assert store.lookup("some/name:1") == descriptor


def test_an_empty_directory_of_ours_becomes_the_store_and_private(tmp_path: Path) -> None:
    """S088: a mount point is mostly open to others."""
    (tmp_path / "store").mkdir(mode=0o777)
    (tmp_path / "store").chmod(0o777)
    fill(tmp_path / "store")
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o700


def test_a_directory_with_something_in_it_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store").chmod(0o755)
    (tmp_path / "store" / "mine").touch()
    fill(tmp_path / "store")
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "store/blobs").stat().st_mode) == 0o700


@pytest.mark.parametrize("filled", [True, False])
def test_a_directory_that_others_may_write_to_is_refused(tmp_path: Path, filled: bool) -> None:
    """S122: they could swap what was verified."""
    (tmp_path / "store").mkdir()
    if filled:
        fill(tmp_path / "store")
    (tmp_path / "store/theirs").touch()
    (tmp_path / "store").chmod(0o1777)
    before = snapshot_tree(tmp_path)
    with pytest.raises(StoreError, match="may be written to by others") as caught:
        fill(tmp_path / "store")
    assert caught.value.hint is not None
    assert snapshot_tree(tmp_path) == before


def test_a_store_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """S122, R107: root would leave files in it that its owner can't change."""
    fill(tmp_path / "store")
    os.chown(tmp_path / "store", OTHER_USER, -1)
    before = snapshot_tree(tmp_path)
    store = LayoutStore(tmp_path / "store")
    for use in (store.entries, lambda: store.tag("x", Descriptor.of(b"", ""))):
        with pytest.raises(StoreError, match="belongs to another user") as caught:
            use()
        assert caught.value.hint == (
            "run imgfetch as that user, or name a directory of your own with --store"
        )
    assert snapshot_tree(tmp_path) == before


@pytest.mark.parametrize("version", ["1.0.1", "2.0.0", ""])
def test_a_layout_of_another_version_is_refused_without_writing(
    tmp_path: Path, version: str
) -> None:
    """R110."""
    fill(tmp_path / "store")
    (tmp_path / "store/oci-layout").write_text(json.dumps({"imageLayoutVersion": version}))
    before = snapshot_tree(tmp_path)
    store = LayoutStore(tmp_path / "store")
    with pytest.raises(StoreCorruptError, match="another version"):
        store.tag("x", Descriptor.of(b"", ""))
    with pytest.raises(StoreCorruptError, match="another version"):
        store.entries()
    assert snapshot_tree(tmp_path) == before


@pytest.mark.parametrize("marker", [b"", b"{}", b"[]", b'{"imageLayoutVersion": 1}', b"\0" * 99])
def test_a_damaged_marker_is_an_error(tmp_path: Path, marker: bytes) -> None:
    """R094."""
    (tmp_path / "oci-layout").write_bytes(marker)
    tmp_path.chmod(0o700)
    with pytest.raises(StoreCorruptError):
        LayoutStore(tmp_path).entries()


def test_a_file_in_the_place_of_the_store_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "store").touch()
    with pytest.raises(StoreError, match="Not a directory"):
        LayoutStore(tmp_path / "store").entries()
    with pytest.raises(StoreError):
        fill(tmp_path / "store")


def test_a_link_to_the_store_is_fine(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "store").symlink_to("disk")
    descriptor = fill(tmp_path / "store")
    assert LayoutStore(tmp_path / "disk").lookup("some/name:1") == descriptor


@pytest.mark.parametrize("name", ["with space", "a:b,c@d", "ünïcödé", "back\\slash", "\udcff"])
def test_any_name_of_a_directory_works(tmp_path: Path, name: str) -> None:
    """R106."""
    descriptor = fill(tmp_path / name)
    assert LayoutStore(tmp_path / name).read(descriptor, 100) == b"content"


def test_the_store_stays_where_it_is_when_the_process_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = LayoutStore("store")
    monkeypatch.chdir("/")
    store.tag("x", Descriptor.of(b"", ""))
    assert (tmp_path / "store/index.json").exists()


def test_a_read_only_store_can_be_read(tmp_path: Path) -> None:
    """R105: on a read-only file system, leases included; writing is a clear error."""
    with small_tmpfs(tmp_path / "fs", size=1 << 20) as mounted:
        descriptor = fill(mounted / "store")
        for lock in (mounted / "store/locks").iterdir():
            lock.unlink()
        make_read_only(mounted)
        store = LayoutStore(mounted / "store")
        with store.lease():
            assert store.lookup("some/name:1") == descriptor
            assert store.read(descriptor, 100) == b"content"
            store.ingest(Incoming.of(b"content").content, RecordedProgress())
        with pytest.raises(StoreError, match="Read-only"):
            store.tag("x", descriptor)
        with pytest.raises(StoreError, match="Read-only"):
            store.ingest(Incoming.of(b"more").content, RecordedProgress())


def test_a_lease_does_not_swallow_errors_of_its_block(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), LayoutStore(tmp_path / "store").lease():
        raise PermissionError


def counting(name: str, calls: list[str]) -> Callable[..., object]:
    """A function of os that says when it is called."""
    real: Callable[..., object] = getattr(os, name)

    def counted(*args: object, **options: object) -> object:
        calls.append(name)
        return real(*args, **options)

    return counted


def test_a_warm_look_costs_few_system_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run opens the store, looks a name up and reads two documents."""
    descriptor = fill(tmp_path / "store")
    calls: list[str] = []
    for name in ("open", "stat", "lstat", "fstat", "read", "mkdir", "listdir", "chmod", "rename"):
        monkeypatch.setattr(os, name, counting(name, calls))
    store = LayoutStore(tmp_path / "store")
    store.lookup("some/name:1")
    assert calls == ["stat", "open", "read", "read", "open", "read", "read"]
    calls.clear()
    store.read(descriptor, 100)
    assert calls == ["open", "fstat"]


@pytest.mark.parametrize("entry", ["symlink", "fifo", "directory"])
def test_a_trap_in_the_place_of_the_index_is_an_error(tmp_path: Path, entry: str) -> None:
    """S120: not followed, and nobody waits for a pipe's other end."""
    fill(tmp_path / "store")
    index = tmp_path / "store/index.json"
    index.unlink()
    match entry:
        case "symlink":
            index.symlink_to("/etc/passwd")
        case "fifo":
            os.mkfifo(index)
        case _:
            index.mkdir()
    with pytest.raises(StoreError):
        LayoutStore(tmp_path / "store").entries()
