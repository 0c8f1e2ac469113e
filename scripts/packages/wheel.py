"""The sdist, and the wheel made from it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from scripts.packages.places import BIN, run

if TYPE_CHECKING:
    from pathlib import Path


def build(directory: Path) -> list[Path]:
    """Makes both; the wheel out of the sdist, so that the sdist is known to be whole.

    Returns:
        The sdist and the wheel.
    """
    for old in [*directory.glob("imgfetch-*.whl"), *directory.glob("imgfetch-*.tar.gz")]:
        old.unlink()
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", directory)
    made = [*directory.glob("imgfetch-*.tar.gz"), *directory.glob("imgfetch-*.whl")]
    run(BIN / "twine", "check", "--strict", *made)
    return made
