from __future__ import annotations

from pathlib import Path

import pytest

from imgfetch.bundle.init import find_init
from imgfetch.errors import InvalidOptionError
from tests.unit.bundle.test_preflight import elf


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where programs are."""
    monkeypatch.setattr("imgfetch.bundle.init._DIRECTORIES", ())
    monkeypatch.setattr("imgfetch.fs.programs._SYSTEM", ())
    return tmp_path


def install(directory: Path, name: str, content: bytes) -> Path:
    path = directory / name
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def test_a_static_program_is_found(directory: Path) -> None:
    path = install(directory, "catatonit", elf(62))
    assert find_init(str(directory), "amd64") == str(path)


@pytest.mark.parametrize(
    "content", [b"#!/bin/sh\n", elf(62, "/lib64/ld-linux-x86-64.so.2"), elf(183), b"\x7fELF", b""]
)
def test_what_can_not_run_in_any_image_is_passed_over(directory: Path, content: bytes) -> None:
    install(directory, "docker-init", content)
    path = install(directory, "tini-static", elf(62))
    assert find_init(str(directory), "amd64") == str(path)


def test_a_dynamic_one_is_named_where_there_is_no_other(directory: Path) -> None:
    path = install(directory, "tini", elf(62, "/lib/ld.so"))
    with pytest.raises(InvalidOptionError, match="needs a static init") as caught:
        find_init(str(directory), "amd64")
    assert str(path) in str(caught.value.actual)


def test_without_any_there_is_something_to_install(directory: Path) -> None:
    with pytest.raises(InvalidOptionError) as caught:
        find_init(str(directory), "amd64")
    assert "catatonit" in str(caught.value.hint)
    assert caught.value.actual is None
