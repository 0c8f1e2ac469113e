"""Which containers need which snapshots."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgfetch.fs.claim import make_claimed
from imgfetch.workflow.usage import running

TOPMOST = "0123456789abcdef"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


def container(runs: Path, container_id: str, *, alive: bool = False) -> Path:
    """A container's directory; locked, while this process lives, when it is to be alive."""
    path = runs / container_id
    descriptor = make_claimed(str(path))
    if not alive:
        os.close(descriptor)
    (path / "l").symlink_to(f"/store/snapshots/root/{TOPMOST}/l")
    return path


def test_those_that_live_are_found_by_their_topmost_snapshot(runs: Path) -> None:
    container(runs, "b", alive=True)
    container(runs, "a", alive=True)
    assert running(str(runs)) == {TOPMOST: ["a", "b"]}


def test_those_that_were_killed_need_nothing(runs: Path) -> None:
    container(runs, "a")
    assert running(str(runs)) == {}


def test_those_that_are_kept_need_their_snapshots(runs: Path) -> None:
    (container(runs, "a") / "exit.json").write_text("{}")
    assert running(str(runs)) == {TOPMOST: ["a"]}


def test_those_with_a_copy_need_nothing(runs: Path) -> None:
    (container(runs, "a", alive=True) / "l").unlink()
    (runs / "names").mkdir()
    assert running(str(runs)) == {}


def test_without_runs_there_are_none(tmp_path: Path) -> None:
    assert running(str(tmp_path / "runs")) == {}
