"""Temporary files beside what they are going to be."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from imgfetch.fs.beside import beside, make_directory_beside, make_file_beside


def test_what_nobody_writes_any_more_is_removed_by_the_next_one(tmp_path: Path) -> None:
    """R091."""
    target = str(tmp_path / "archive")
    killed, fd = make_file_beside(target, 0o600)
    os.close(fd)
    directory, fd = make_directory_beside(target)
    assert not os.path.exists(killed)
    Path(directory, "inner").mkdir()
    os.close(fd)
    made, fd = make_file_beside(target, 0o600)
    assert os.listdir(tmp_path) == [os.path.basename(made)]
    os.close(fd)


def test_what_somebody_writes_stays(tmp_path: Path) -> None:
    target = str(tmp_path / "archive")
    made = [make_file_beside(target, 0o600), make_directory_beside(target)]
    made.append(make_file_beside(target, 0o600))
    assert {os.path.basename(path) for path, _ in made} == set(os.listdir(tmp_path))
    for _, fd in made:
        os.close(fd)


@pytest.mark.parametrize(
    "make", [make_directory_beside, lambda path: make_file_beside(path, 0o600)]
)
def test_where_nothing_can_be_made_it_is_not_tried_for_ever(
    make: Callable[[str], tuple[str, int]],
) -> None:
    with pytest.raises(FileNotFoundError):
        make("/proc/archive")


def test_what_is_called_otherwise_stays(tmp_path: Path) -> None:
    others = ["archive", ".archive.tmp", ".archive.0123.tmp", ".archive.0123456789ABCDEF.tmp"]
    others += [os.path.basename(beside(str(tmp_path / "other")))]
    for name in others:
        (tmp_path / name).touch()
    link = Path(beside(str(tmp_path / "archive")))
    link.symlink_to("archive")
    made, fd = make_file_beside(str(tmp_path / "archive"), 0o600)
    os.close(fd)
    assert set(os.listdir(tmp_path)) == {*others, link.name, os.path.basename(made)}
