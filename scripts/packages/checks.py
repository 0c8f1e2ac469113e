"""What must be true of packages before anybody gets them."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.packages.places import BIN, pip_install, run, version_of, wheel_in

if TYPE_CHECKING:
    from collections.abc import Callable


def check(made: list[Path], build: Callable[[Path], list[Path]]) -> None:
    """Makes the packages once more and compares them, then tries each kind in an empty place.

    Args:
        made: the packages.
        build: makes them again in another directory.
    """
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        _compare(made, build(scratch / "again"))
        version = version_of(wheel_in(made[0].parent))
        for path in made:
            if path.suffix == ".whl":
                _try_pip(path, scratch / "pip", version)
                _try_uv(path, scratch / "uv", version)
            elif path.suffix == ".pyz":
                _expect_version(path, version, {"SHIV_ROOT": str(scratch / "shiv")})
            elif path.suffix == ".deb":
                _try_unpacked(path, scratch / "deb", version)


def _compare(made: list[Path], again: list[Path]) -> None:
    """Both must be the same bytes."""
    for first, second in zip(made, again, strict=True):
        if _sha256(first) != _sha256(second):
            kept = first.with_name(first.name + ".again")
            shutil.copy(second, kept)
            sys.exit(f"package: two builds differ: {first} and {kept}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _try_pip(wheel: Path, venv: Path, version: str) -> None:
    """`pip install` of the wheel in an empty environment."""
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    pip_install("--python", venv / "bin" / "python", wheel)
    _expect_version(venv / "bin" / "imgfetch", version)


def _try_uv(wheel: Path, directory: Path, version: str) -> None:
    """`uv tool install`, which is what `pipx install` does too."""
    places = {
        "UV_TOOL_DIR": str(directory / "tools"),
        "UV_TOOL_BIN_DIR": str(directory / "bin"),
        "UV_CACHE_DIR": str(directory / "cache"),
        "UV_PYTHON": sys.executable,
    }
    run(BIN / "uv", "tool", "install", "--quiet", wheel, env={**places, **_pips_indexes()})
    _expect_version(directory / "bin" / "imgfetch", version)


def _pips_indexes() -> dict[str, str]:
    """Where pip finds packages on this machine, for uv, which reads other files."""
    told: dict[str, str] = {}
    names = {"index-url": "UV_INDEX_URL", "find-links": "UV_FIND_LINKS"}
    listed = run(sys.executable, "-m", "pip", "config", "list")
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        if variable := names.get(key.rpartition(".")[2]):
            told[variable] = value.strip("'")
    return told


def _try_unpacked(package: Path, directory: Path, version: str) -> None:
    """The files of a Debian package, without installing it: its program and its libraries."""
    run("dpkg-deb", "--extract", package, directory)
    program = (directory / "usr" / "bin" / "imgfetch").read_text("utf-8")
    moved = directory / "imgfetch"
    moved.write_text(program.replace("/usr/lib/imgfetch", f"{directory}/usr/lib/imgfetch"))
    moved.chmod(0o755)
    _expect_version(moved, version)


def _expect_version(program: Path, version: str, env: dict[str, str] | None = None) -> None:
    """The command must start and know its version."""
    printed = run(program, "version", env={"HOME": os.devnull, **(env or {})})
    if version not in printed.split():
        sys.exit(f"package: {program} says: {printed}")
