"""Every blob hashed again."""

import os
from pathlib import Path

import pytest

from imgfetch.cas.check import blobs, check_blobs, quarantine
from imgfetch.cas.directory import LayoutStore
from imgfetch.errors import StoreError
from tests.support.incoming import DATA, Incoming
from tests.support.mounts import read_only
from tests.support.sources import RecordedProgress
from tests.support.store_files import blob_file


@pytest.fixture
def blob(store: LayoutStore, incoming: Incoming, progress: RecordedProgress) -> Path:
    store.ingest(incoming.content, progress)
    return blob_file(store, incoming.descriptor)


def faults(store: LayoutStore) -> list[str | None]:
    return [blob.fault for blob in check_blobs(store.root)]


def test_whole_content_has_no_fault(store: LayoutStore, blob: Path) -> None:
    assert faults(store) == [None]


def test_a_store_without_blobs_has_no_fault(store: LayoutStore) -> None:
    assert faults(store) == []


@pytest.mark.parametrize("damage", ["flipped", "short", "empty", "longer"])
def test_other_bytes_are_a_fault(store: LayoutStore, blob: Path, damage: str) -> None:
    """S121, R094."""
    blob.write_bytes(
        {"flipped": b"x" + DATA[1:], "short": DATA[:-1], "empty": b"", "longer": DATA + b"x"}[
            damage
        ]
    )
    (fault,) = faults(store)
    assert fault is not None
    assert fault.startswith("is sha256:")


@pytest.mark.parametrize("kind", ["fifo", "symlink", "directory", "foreign"])
def test_what_we_did_not_make_is_a_fault_and_is_not_opened(
    store: LayoutStore, blob: Path, tmp_path: Path, kind: str
) -> None:
    """S120."""
    blob.rename(tmp_path / "outside")
    match kind:
        case "fifo":
            os.mkfifo(blob)
        case "symlink":
            blob.symlink_to(tmp_path / "outside")
        case "directory":
            blob.mkdir()
        case _:
            blob.write_bytes(DATA)
            os.chown(blob, 4242, -1)
    expected = "belongs to uid 4242" if kind == "foreign" else "not a plain file"
    assert faults(store) == [expected]


def test_files_of_others_are_none_of_our_business(store: LayoutStore, blob: Path) -> None:
    """R103."""
    (blob.parent / "README").write_text("hello")
    (blob.parent.parent / "md5").mkdir()
    assert [digest.encoded for digest, _ in blobs(store.root)] == [blob.name]


def test_what_is_set_aside_is_kept_beside_the_layout(store: LayoutStore, blob: Path) -> None:
    blob.write_bytes(b"rotten")
    aside = Path(quarantine(store.root, str(blob)))
    assert aside.parent == Path(store.path, "quarantine")
    assert aside.read_bytes() == b"rotten"
    assert aside.name.startswith(blob.name)
    assert aside.parent.stat().st_mode & 0o777 == 0o700
    assert not blob.exists()


def test_a_store_that_can_not_be_written_says_so(store: LayoutStore, blob: Path) -> None:
    with read_only(Path(store.path)), pytest.raises(StoreError, match="can't repair"):
        quarantine(store.root, str(blob))
    assert blob.exists()
