"""Versions of runtimes."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgfetch.errors import PolicyError, RuntimeFailedError
from imgfetch.runtime.program import RuntimeProgram, find_runtime
from imgfetch.runtime.version import (
    RuntimeVersion,
    has_known_escapes,
    refuse_known_escapes,
    runtime_version,
)
from tests.support.tools import require_tool
from tests.support.users import PATH


def program(directory: Path, script: str, name: str = "runc") -> RuntimeProgram:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return RuntimeProgram(str(path))


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("runc version 1.1.5+ds1", (1, 1, 5)),
        ("runc version 1.4.0-rc.3", (1, 4, 0)),
        ("crun version 1.28", (1, 28, 0)),
        ("runsc version release-20240729.0", None),
        ("", None),
    ],
)
def test_versions_are_read(tmp_path: Path, said: str, version: tuple[int, int, int] | None) -> None:
    found = runtime_version(program(tmp_path, f"echo '{said}'; echo 'spec: 1.0.2'"))
    assert found == version


def test_the_installed_runtime_has_one() -> None:
    require_tool("runc")
    found = runtime_version(find_runtime("runc", PATH))
    assert found is not None
    assert str(found).count(".") == 2


def test_a_runtime_that_fails_is_an_error(tmp_path: Path) -> None:
    """R154."""
    with pytest.raises(RuntimeFailedError, match="--version"):
        runtime_version(program(tmp_path, "exit 3"))


@pytest.mark.parametrize(
    ("version", "known"),
    [
        ((1, 0, 3), True),
        ((1, 1, 5), True),
        ((1, 2, 7), True),
        ((1, 2, 8), False),
        ((1, 3, 2), True),
        ((1, 3, 3), False),
        ((1, 4, 0), False),
        ((2, 0, 0), False),
    ],
)
def test_versions_with_holes_are_known(version: tuple[int, int, int], known: bool) -> None:
    """S142."""
    assert has_known_escapes(RuntimeProgram("/x/runc"), RuntimeVersion(*version)) == known
    assert not has_known_escapes(RuntimeProgram("/x/crun", is_crun=True), RuntimeVersion(*version))


def test_those_are_refused_where_that_is_asked_for(tmp_path: Path) -> None:
    """S142."""
    with pytest.raises(PolicyError, match=r"version 1\.1\.5"):
        refuse_known_escapes(program(tmp_path, "echo runc version 1.1.5"))
    refuse_known_escapes(program(tmp_path, "echo runc version 1.3.6"))
