"""Where things are, for all benchmarks."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"
IMGFETCH = ROOT / ".venv" / "bin" / "imgfetch"


def environment(directory: Path) -> dict[str, str]:
    """The environment of all contenders.

    Args:
        directory: what they make for themselves ends up in it.
    """
    temporary = directory / "tmp"
    temporary.mkdir(exist_ok=True)
    return {
        # Before others' directories: Debian's tools need Debian's Python.
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin:" + os.environ["PATH"],
        "HOME": str(directory),
        "TMPDIR": str(temporary),
        "USER": "root",
        "IMGFETCH_STORE": str(directory / "store"),
    }


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A directory for the time of a benchmark, on a tmpfs if possible.

    An ext4 on which trees were removed just now is several times slower than one that is new.
    """
    shm = Path("/dev/shm")  # noqa: S108 - a directory of ours is made in it
    parent = shm if os.access(shm, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=parent, prefix="imgfetch-bench-") as name:
        try:
            yield Path(name)
        finally:
            unmount_all(name)


def unmount_all(directory: str) -> None:
    """Unmounts what contenders have left mounted (podman its directory of layers)."""
    lines = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    for point in reversed([line.split()[4] for line in lines]):
        if point.startswith(directory):
            subprocess.run(["umount", point], check=True)
