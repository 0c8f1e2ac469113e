"""Where packages come from and go to, and how programs are run for them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parent.parent.parent
DIST = ROOT / "dist"
CONSTRAINTS = ROOT / "scripts" / "constraints.txt"
BIN = Path(sys.executable).parent

# The first moment that a zip can hold, for a tree without a history.
_FIRST_OF_1980 = 315532800


@cache
def epoch() -> int:
    """The time that all files in packages have, in seconds: the commit's."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    if not (ROOT / ".git").exists():
        return _FIRST_OF_1980
    shown = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    return int(subprocess.run(shown, check=True, capture_output=True, text=True).stdout)


def run(*command: str | Path, env: Mapping[str, str] | None = None) -> str:
    """Runs a program, with the packages' time in its environment, and returns what it prints."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch()), **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\npackage: exit status {done.returncode}: {command[0]}")
    return done.stdout


def pip_install(*words: str | Path) -> None:
    """Installs packages in the versions that the project is tested with.

    Args:
        *words: `--python PATH` or `--target DIR` where it isn't this environment; the packages.
    """
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    if words[0] == "--python":
        pip += [str(word) for word in words[:2]]
        words = words[2:]
    run(*pip, "install", "--quiet", "--constraint", CONSTRAINTS, *words)


def install_libraries(target: Path, wheel: Path) -> None:
    """Puts the wheel and its dependencies in a directory, without what names this machine."""
    pip_install("--no-compile", "--target", target, wheel)
    # Programs with this environment's path in their first line.
    shutil.rmtree(target / "bin", ignore_errors=True)
    for pattern in ("direct_url.json", "RECORD", "REQUESTED", "INSTALLER"):
        for found in target.glob(f"*.dist-info/{pattern}"):
            found.unlink()


def wheel_in(directory: Path) -> Path:
    """The wheel that was made there."""
    (found,) = directory.glob("imgfetch-*.whl")
    return found


def version_of(wheel: Path) -> str:
    """The version in a wheel's name, which has it from imgfetch/__init__.py."""
    return wheel.name.split("-")[1]
