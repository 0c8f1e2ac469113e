"""Programs on a search path."""

from __future__ import annotations

from pathlib import Path

from imgfetch.fs.programs import find_program


def test_the_first_directory_with_an_executable_file_wins(tmp_path: Path) -> None:
    for name in ("directory", "plain", "first", "second"):
        (tmp_path / name).mkdir()
    (tmp_path / "directory/x").mkdir()
    (tmp_path / "plain/x").touch()
    for name in ("first", "second"):
        (tmp_path / name / "x").touch(mode=0o755)
    path = ":".join(str(tmp_path / name) for name in ("directory", "plain", "first", "second"))
    assert find_program("x", path) == str(tmp_path / "first/x")


def test_directories_of_the_administrator_come_last() -> None:
    """Ordinary users lack them in PATH, and runc is in one."""
    found = find_program("runc", "/nowhere")
    assert found is not None
    assert found.endswith("sbin/runc")


def test_what_is_not_there_is_none(tmp_path: Path) -> None:
    assert find_program("no-such-program", str(tmp_path)) is None
