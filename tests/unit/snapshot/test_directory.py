"""The directory of snapshots: names mean complete trees, whoever else is at work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgfetch.errors import InvalidOptionError, StoreCorruptError
from imgfetch.fs.idmap import IdMapping
from imgfetch.interfaces import LayerStats
from imgfetch.snapshot.automatic import snapshotter
from imgfetch.snapshot.directory import SnapshotDirectory
from imgfetch.snapshot.record import SnapshotRecord
from tests.support.unpacking import MemoryContent, Notes, TarApplier

LOW, HIGH = "a" * 64, "b" * 64
RECORD = SnapshotRecord.of(None, ["sha256:x"], [LayerStats(entries=2, size=5)])


@pytest.fixture
def directory(tmp_path: Path) -> SnapshotDirectory:
    return SnapshotDirectory(str(tmp_path / "snapshots/root"))


def publish(directory: SnapshotDirectory, name: str, parent: str | None = None) -> None:
    with directory.staging() as staging:
        Path(staging, "0/fs").mkdir(parents=True)
        Path(staging, "0/fs/file").write_text(name)
        record = SnapshotRecord.of(parent, [name], [])
        directory.publish([(f"{staging}/0", name, record)])


def test_what_is_published_is_there_with_its_record(directory: SnapshotDirectory) -> None:
    publish(directory, LOW)
    publish(directory, HIGH, LOW)
    assert directory.names() == [LOW, HIGH]
    assert directory.exists(LOW)
    assert directory.record(HIGH) == SnapshotRecord(LOW, (HIGH,))
    assert Path(directory.tree(HIGH), "file").read_text() == HIGH
    assert sorted(os.listdir(directory.path)) == directory.names()


def test_records_add_up_what_layers_did() -> None:
    assert SnapshotRecord(None, ("sha256:x",), entries=2, size=5) == RECORD


def test_s047_a_stack_is_known_as_the_blobs_that_were_seen_to_be_it(
    directory: SnapshotDirectory,
) -> None:
    publish(directory, LOW)
    publish(directory, HIGH, LOW)
    names, made, other = [LOW, HIGH], [(LOW,), (HIGH,)], [("x",), (HIGH,)]
    assert not directory.is_known_as(names, made)
    assert directory.of_other_blobs(names, made) == []
    assert directory.of_other_blobs(names, other) == [0]
    directory.remember(HIGH, made)
    directory.remember(HIGH, other)
    assert directory.is_known_as(names, made)
    assert directory.is_known_as(names, other)
    assert not directory.is_known_as(names, [(LOW,), ("x",)])
    assert not directory.is_known_as([LOW], [(LOW,)])


def test_nothing_is_there_before_the_first(directory: SnapshotDirectory) -> None:
    assert directory.names() == []
    assert not directory.exists(LOW)
    assert directory.hold(LOW) is None
    directory.publish([])
    assert not Path(directory.path).exists()


def test_staging_that_fails_leaves_nothing(directory: SnapshotDirectory) -> None:
    def fail() -> None:
        with directory.staging() as staging:
            Path(staging, "deep/in").mkdir(parents=True)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert os.listdir(directory.path) == []


def test_the_same_made_twice_is_kept_once(directory: SnapshotDirectory) -> None:
    """R101: without working locks two processes may unpack the same."""
    publish(directory, LOW)
    first = os.stat(f"{directory.path}/{LOW}")
    publish(directory, LOW)
    assert os.path.samestat(os.stat(f"{directory.path}/{LOW}"), first)
    assert directory.names() == [LOW]


def test_links_lead_to_the_trees_and_are_made_once(directory: SnapshotDirectory) -> None:
    publish(directory, LOW)
    publish(directory, HIGH, LOW)
    links = Path(directory.link([LOW, HIGH]))
    assert [(links / number / "file").read_text() for number in ("0", "1")] == [LOW, HIGH]
    made = links.stat()
    assert os.path.samestat(Path(directory.link([LOW, HIGH])).stat(), made)
    assert sorted(os.listdir(links.parent)) == ["fs", "l", "layer.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"layers": 1}', '{"layers": [], "no": 1}'])
def test_a_record_that_makes_no_sense_is_damage(directory: SnapshotDirectory, text: str) -> None:
    """R094."""
    publish(directory, LOW)
    Path(directory.path, LOW, "layer.json").write_text(text)
    with pytest.raises(StoreCorruptError, match=r"layer\.json can't be read"):
        directory.record(LOW)


def test_only_what_is_used_by_none_is_removed(directory: SnapshotDirectory) -> None:
    """R102."""
    publish(directory, LOW)
    publish(directory, HIGH, LOW)
    held = directory.hold(HIGH)
    assert held is not None
    assert not directory.remove(HIGH)
    assert not directory.remove(LOW)
    os.close(held)
    assert not directory.remove(LOW)
    assert directory.remove(HIGH)
    assert directory.remove(HIGH)
    assert directory.remove(LOW)
    assert os.listdir(directory.path) == []


@pytest.mark.parametrize("mode", ["", "vfs", "Overlay"])
def test_other_modes_are_refused(tmp_path: Path, mode: str) -> None:
    with pytest.raises(InvalidOptionError, match="is not known"):
        snapshotter(
            str(tmp_path),
            IdMapping.current(),
            mode=mode,
            # Nothing of it is used before a layer is unpacked.
            content=MemoryContent(),  # type: ignore[arg-type]
            applier=TarApplier(),
            progress=Notes(),
        )
