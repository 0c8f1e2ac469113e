"""Empty cgroups of a killed runtime; directories stand for them here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imgfetch.runtime import cgroups
from imgfetch.runtime.cgroups import oom_kills, remove_leftover

ID = "c" * 64


def bundle(directory: Path, path: object) -> str:
    made = directory / "bundle"
    made.mkdir()
    (made / "config.json").write_text(json.dumps({"linux": {"cgroupsPath": path}}))
    return str(made)


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """Hybrid: v1 hierarchies beside v2's, and a plain file."""
    mount = tmp_path / "cgroup"
    for hierarchy in ("memory", "cpu,cpuacct", "unified"):
        (mount / hierarchy / "imgfetch" / ID / "inner").mkdir(parents=True)
        (mount / hierarchy / "imgfetch" / "other").mkdir()
    (mount / "cgroup.procs").touch()
    return mount


def test_a_containers_own_are_removed_in_each_hierarchy(tmp_path: Path, mount: Path) -> None:
    assert remove_leftover(bundle(tmp_path, f"/imgfetch/{ID}"), ID, str(mount))
    assert list(mount.glob(f"**/{ID}")) == []
    assert len(list(mount.glob("*/imgfetch/other"))) == 3


def test_those_of_a_single_hierarchy_are_too(tmp_path: Path, mount: Path) -> None:
    (mount / "imgfetch" / ID).mkdir(parents=True)
    assert remove_leftover(bundle(tmp_path, f"/imgfetch/{ID}"), ID, str(mount))
    assert not (mount / "imgfetch" / ID).exists()


@pytest.mark.parametrize("path", ["/", "", "/imgfetch/other", f"imgfetch/{ID}", None, 7, [ID]])
def test_nothing_else_is_touched(tmp_path: Path, mount: Path, path: object) -> None:
    assert remove_leftover(bundle(tmp_path, path), ID, str(mount))
    assert len(list(mount.glob(f"*/imgfetch/{ID}/inner"))) == 3


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"linux": []}'])
def test_a_bundle_without_a_path_has_none(tmp_path: Path, mount: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    assert remove_leftover(str(tmp_path), ID, str(mount))


def test_without_cgroups_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert remove_leftover(bundle(tmp_path, f"/imgfetch/{ID}"), ID, str(tmp_path / "none"))


def test_processes_that_stay_are_told_of(
    tmp_path: Path, mount: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(path: str) -> None:
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr("os.rmdir", busy)
    monkeypatch.setattr(cgroups, "_PATIENCE", 0.0)
    assert not remove_leftover(bundle(tmp_path, f"/imgfetch/{ID}"), ID, str(mount))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (
            f"memory/imgfetch/{ID}/memory.oom_control",
            "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
        ),
        (f"imgfetch/{ID}/memory.events", "low 0\nmax 9\noom 4\noom_kill 3\noom_group_kill 0\n"),
    ],
)
def test_processes_killed_for_want_of_memory_are_counted(
    tmp_path: Path, file: str, text: str
) -> None:
    """In either version of cgroups."""
    path = tmp_path / "cgroup" / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert oom_kills(bundle(tmp_path, f"/imgfetch/{ID}"), ID, str(tmp_path / "cgroup")) == 3


@pytest.mark.parametrize("path", [f"/imgfetch/{ID}", "/others", None])
def test_without_a_cgroup_of_its_own_none_are_counted(tmp_path: Path, path: str | None) -> None:
    assert oom_kills(bundle(tmp_path, path), ID, str(tmp_path / "cgroup")) == 0
