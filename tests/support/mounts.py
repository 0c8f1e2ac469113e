"""File systems of a few pages, to find out what happens when one is full or read-only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.tools import require_tool


@contextmanager
def small_tmpfs(directory: Path, *, size: int, inodes: int = 0) -> Iterator[Path]:
    """Mounts a tmpfs for the length of a ``with`` block.

    Args:
        directory: where; it is made.
        size: bytes that fit, rounded up to pages.
        inodes: files and directories that fit; 0 for no limit.
    """
    if os.geteuid() != 0:
        pytest.fail("this test mounts a file system: run it as root", pytrace=False)
    directory.mkdir()
    options = f"size={size},nr_inodes={inodes},mode=0700"
    _run("mount", "-t", "tmpfs", "-o", options, "test", str(directory))
    try:
        yield directory
    finally:
        _run("umount", "--lazy", str(directory))


def make_read_only(directory: Path) -> None:
    """Makes the file system that is mounted here read-only."""
    _run("mount", "-o", "remount,ro", str(directory))


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Lets nobody write below a directory for the length of a ``with`` block."""
    if os.geteuid() != 0:
        pytest.fail("this test mounts a file system: run it as root", pytrace=False)
    _run("mount", "--bind", str(directory), str(directory))
    try:
        _run("mount", "-o", "remount,bind,ro", str(directory))
        yield
    finally:
        _run("umount", "--lazy", str(directory))


def _run(*argv: str) -> None:
    subprocess.run([require_tool(argv[0]), *argv[1:]], check=True, timeout=60)
