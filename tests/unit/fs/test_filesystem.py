"""File systems by name, and what is found out by trying."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgfetch.fs.filesystem import is_foreign, kind, kind_of, shortcoming

_MOUNTS = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
{mount} 21 0:40 / /home rw,relatime shared:2 master:1 - nfs4 server:/home rw,vers=4.2
"""


def mount_id(descriptor: int) -> str:
    lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("mnt_id:"))


@pytest.mark.parametrize(("path", "name"), [("/proc", "proc"), ("/sys", "sysfs")])
def test_a_file_system_has_the_name_that_mount_gives_it(path: str, name: str) -> None:
    assert kind_of(path) == name


def test_it_is_looked_up_by_its_mount(tmp_path: Path) -> None:
    """Devices' numbers would not do: btrfs has another for each subvolume."""
    descriptor = os.open(tmp_path, os.O_RDONLY)
    mounts = tmp_path / "mountinfo"
    try:
        mounts.write_text(_MOUNTS.format(mount=mount_id(descriptor)))
        assert kind(descriptor, str(mounts)) == "nfs4"
        mounts.write_text("")
        assert kind(descriptor, str(mounts)) is None
        assert kind(descriptor, str(tmp_path / "missing")) is None
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("name", "foreign"),
    [
        ("nfs4", True),
        ("cifs", True),
        ("fuse.sshfs", True),
        ("fuseblk", True),
        ("fuse.fuse-overlayfs", False),
        ("ext4", False),
        ("overlay", False),
        (None, False),
    ],
)
def test_r129_those_of_other_machines_are_known(name: str | None, foreign: bool) -> None:
    assert is_foreign(name) is foreign


def test_nothing_is_left_of_a_look(tmp_path: Path) -> None:
    assert shortcoming(str(tmp_path)) is None
    assert list(tmp_path.iterdir()) == []


def test_r125_modes_that_are_not_kept_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fchmod", lambda *_: None)
    assert "no permissions" in (shortcoming(str(tmp_path)) or "")
    assert list(tmp_path.iterdir()) == []
