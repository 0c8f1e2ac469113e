"""What ``doctor`` says about stores."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgfetch.cas import checkup
from imgfetch.cas.checkup import file_system, other_store, room, store
from imgfetch.cas.directory import LayoutStore
from imgfetch.fs.space import Free
from tests.support.incoming import DATA, Incoming
from tests.support.sources import RecordedProgress
from tests.support.trees import snapshot_tree


def test_one_that_is_to_be_made_is_not_made(tmp_path: Path) -> None:
    (found,) = store(str(tmp_path / "a/store"))
    assert (found.state, found.found) == ("ok", f"{tmp_path}/a/store, to be made")
    assert list(tmp_path.iterdir()) == []


def test_looking_changes_nothing(tmp_path: Path) -> None:
    incoming = Incoming.of(DATA)
    made = LayoutStore(tmp_path / "store")
    made.ingest(incoming.content, RecordedProgress())
    made.tag("some/name:1", incoming.descriptor)
    (tmp_path / "store/ingest/sha256-aa.partial").touch()
    before = snapshot_tree(tmp_path)
    (found,) = store(str(tmp_path / "store"))
    assert found.state == "ok"
    assert "1 name, 1 downloads that broke off" in found.found
    assert other_store(str(tmp_path / "store")).found.endswith(", 1 names")
    assert snapshot_tree(tmp_path) == before


@pytest.mark.parametrize(
    ("file", "content"),
    [("oci-layout", '{"imageLayoutVersion": "2.0.0"}'), ("index.json", "{")],
)
def test_damage_blocks_with_the_remedy_of_runs(tmp_path: Path, file: str, content: str) -> None:
    LayoutStore(tmp_path / "store").root.create()
    (tmp_path / "store" / file).write_text(content)
    (found,) = store(str(tmp_path / "store"))
    assert found.blocks
    assert found.remedy is not None
    assert other_store(str(tmp_path / "store")).blocks


def test_another_store_that_is_not_there_is_no_obstacle(tmp_path: Path) -> None:
    found = other_store(str(tmp_path / "missing"))
    assert (found.state, found.blocks) == ("warning", False)


@pytest.mark.parametrize(
    ("free", "state"),
    [
        (Free(1 << 40, 10**7), "ok"),
        (Free(None, None), "ok"),
        (Free(1 << 28, None), "warning"),
        (Free(1 << 40, 1000), "warning"),
        (Free(1000, 10**7), "missing"),
        (Free(1 << 40, 3), "missing"),
    ],
)
def test_room_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: Free, state: str
) -> None:
    """R090."""
    monkeypatch.setattr(checkup, "free", lambda _: free)
    found = room(str(tmp_path / "not/there/yet"))
    assert (found.state, found.blocks) == (state, state == "missing")


def test_a_file_system_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    (found,) = file_system(str(tmp_path))
    assert found.state in {"ok", "warning"}
    assert os.listdir(tmp_path) == []


def test_what_a_mount_forbids_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R128."""
    real = os.statvfs(tmp_path)

    class Status:
        f_flag = real.f_flag | os.ST_NOEXEC

    monkeypatch.setattr(os, "statvfs", lambda _: Status)
    (found,) = file_system(str(tmp_path))
    assert found.state == "warning"
    assert "mounted noexec" in found.found
