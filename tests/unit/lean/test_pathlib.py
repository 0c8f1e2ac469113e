from __future__ import annotations

import os
import pathlib
import pickle
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgfetch.lean import pathlib as lean

if TYPE_CHECKING:
    from types import ModuleType

PARTS = st.text(st.sampled_from("ab./"), max_size=6)


@given(st.lists(PARTS, max_size=3), PARTS)
def test_paths_are_joined_as_by_the_original(parts: list[str], last: str) -> None:
    expected, path = pathlib.Path(*parts), lean.Path(*parts)
    assert str(path) == os.fspath(path) == str(expected)
    assert str(path / last) == str(expected / last)
    assert str(path.parent) == str(expected.parent)
    assert path.name == expected.name
    assert path == expected
    assert hash(path) == hash(expected)
    assert repr(path) == repr(expected)


@pytest.fixture(params=[pathlib, lean], ids=["original", "lean"])
def module(request: pytest.FixtureRequest) -> ModuleType:
    """The original, and ours."""
    chosen: ModuleType = request.param
    return chosen


def test_files_are_found_and_read(module: ModuleType, tmp_path: pathlib.Path) -> None:
    path = module.Path(tmp_path) / "file"
    assert not path.exists()
    assert path.write_text("é", "utf-8") == 1
    assert path.exists()
    assert path.read_text("utf-8") == "é"
    assert path.read_bytes() == "é".encode()
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]
    assert path.suffix == ""


def test_paths_are_compared_and_copied(module: ModuleType) -> None:
    path = module.Path("/a") / "b"
    assert path == module.Path("/a/b") == pickle.loads(pickle.dumps(path))  # noqa: S301 - our own
    assert path != module.Path("/a")
    assert path != "/a/b"
    assert len({path, module.Path("/a/b")}) == 1
    assert "/x" / module.Path("b") == module.Path("/x/b")
