"""Which runtime is used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgfetch.errors import RuntimeMissingError
from imgfetch.runtime.program import RuntimeProgram, find_runtime


@pytest.fixture(autouse=True)
def no_system_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgfetch.fs.programs._SYSTEM", ())


def executable(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_runc_is_preferred_wherever_it_is(tmp_path: Path) -> None:
    executable(tmp_path / "a/crun")
    runc = executable(tmp_path / "b/runc")
    found = find_runtime(None, f"{tmp_path}/a:{tmp_path}/b")
    assert found == RuntimeProgram(str(runc))
    assert found.name == "runc"


def test_crun_is_used_where_there_is_no_runc(tmp_path: Path) -> None:
    crun = executable(tmp_path / "a/crun")
    assert find_runtime(None, f"{tmp_path}/a") == RuntimeProgram(str(crun), is_crun=True)


def test_a_name_is_looked_up_and_a_path_is_not(tmp_path: Path) -> None:
    youki = executable(tmp_path / "a/youki")
    executable(tmp_path / "a/runc")
    assert find_runtime("youki", f"{tmp_path}/a").path == str(youki)
    assert find_runtime(str(youki), "").path == str(youki)


@pytest.mark.parametrize(("said", "is_crun"), [("crun version 1.20", True), ("youki 0.5", False)])
def test_one_under_another_name_is_asked_what_it_is(
    tmp_path: Path, said: str, is_crun: bool
) -> None:
    path = executable(tmp_path / "mine")
    path.write_text(f"#!/bin/sh\necho '{said}'\n")
    assert find_runtime(str(path), "") == RuntimeProgram(str(path), is_crun=is_crun)


def test_a_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable(tmp_path / "a/mine")
    monkeypatch.chdir(tmp_path)
    assert find_runtime("a/mine", "").path == str(tmp_path / "a/mine")


def test_nothing_found_says_what_to_install(tmp_path: Path) -> None:
    """R154."""
    with pytest.raises(RuntimeMissingError, match="runc or crun is not installed") as caught:
        find_runtime(None, str(tmp_path))
    assert "apt install runc" in (caught.value.hint or "")
    with pytest.raises(RuntimeMissingError, match="youki is not installed"):
        find_runtime("youki", str(tmp_path))


@pytest.mark.parametrize("kind", ["missing", "directory", "plain file"])
def test_a_path_has_to_be_an_executable_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "runtime"
    if kind == "directory":
        path.mkdir()
    elif kind == "plain file":
        path.touch()
    with pytest.raises(RuntimeMissingError, match="is not an executable file"):
        find_runtime(str(path), "")


def test_directories_relative_to_the_caller_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S145: what is started must not depend on where the caller stands."""
    executable(tmp_path / "runc")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeMissingError):
        find_runtime(None, os.pathsep.join([".", ""]))
