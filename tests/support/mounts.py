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
    _require_root()
    directory.mkdir()
    options = f"size={size},nr_inodes={inodes},mode=0700"
    _run("mount", "-t", "tmpfs", "-o", options, "test", str(directory))
    try:
        yield directory
    finally:
        _run("umount", "--lazy", str(directory))


@contextmanager
def mounted_tmpfs(directory: Path, options: str) -> Iterator[Path]:
    """Mounts a tmpfs with options of mount(8) for the length of a ``with`` block.

    Args:
        directory: where; it is made.
        options: such as ``noexec``.
    """
    _require_root()
    directory.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"{options},mode=0700", "test", str(directory))
    try:
        yield directory
    finally:
        _run("umount", "--lazy", str(directory))


@contextmanager
def exfat(directory: Path) -> Iterator[Path]:
    """Mounts a file system that was made for memory cards for the length of a ``with`` block.

    It has no links, owners, permissions or extended attributes, and takes upper and lower
    case for the same.

    Args:
        directory: where; it is made, and a file beside it.
    """
    _require_root()
    directory.mkdir()
    image = directory.with_name(f"{directory.name}.image")
    with image.open("wb") as file:
        file.truncate(8 << 20)
    _run("mkfs.exfat", str(image))
    device = _output("losetup", "--find", "--show", str(image)).strip()
    try:
        _run("mount.exfat-fuse", device, str(directory))
        try:
            yield directory
        finally:
            _run("umount", str(directory))
    finally:
        _run("losetup", "--detach", device)


def make_read_only(directory: Path) -> None:
    """Makes the file system that is mounted here read-only."""
    _run("mount", "-o", "remount,ro", str(directory))


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Lets nobody write below a directory for the length of a ``with`` block."""
    _require_root()
    _run("mount", "--bind", str(directory), str(directory))
    try:
        _run("mount", "-o", "remount,bind,ro", str(directory))
        yield
    finally:
        _run("umount", "--lazy", str(directory))


def _require_root() -> None:
    if os.geteuid() != 0:
        pytest.fail("this test mounts a file system: run it as root", pytrace=False)


def _run(*argv: str) -> None:
    _output(*argv)


def _output(*argv: str) -> str:
    command = [require_tool(argv[0]), *argv[1:]]
    return subprocess.run(command, check=True, timeout=60, stdout=subprocess.PIPE, text=True).stdout
