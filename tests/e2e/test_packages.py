"""What users install: the same bytes each time, and working in an empty place."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.users import CHECKOUT


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the packages are; made twice, compared, and installed with pip and uv."""
    directory = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "scripts.packages", "wheel", "--check", "--to", str(directory)]
    done = subprocess.run(
        command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return directory


def test_the_wheel_has_the_package_and_nothing_else(made: Path) -> None:
    (wheel,) = made.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top.partition("-")[0] for top in tops} == {"imgfetch"}
    assert "imgfetch/py.typed" in names
    # What is not Python but is read at run time.
    sources = {
        str(path.relative_to(CHECKOUT))
        for path in (CHECKOUT / "imgfetch").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sources <= set(names)
