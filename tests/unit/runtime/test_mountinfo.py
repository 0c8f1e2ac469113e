"""What a list of mounts says about a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgfetch.runtime.mountinfo import fresh_proc_allowed, root_is_initramfs

MOUNT = "24 1 0:22 / {} rw,nosuid - proc proc rw\n"


@pytest.mark.parametrize(
    ("points", "allowed"),
    [
        (["/proc"], True),
        (["/proc", "/proc/sys/fs/binfmt_misc", "/process"], True),
        (["/proc", "/proc/kcore"], False),
        (["/proc", "/proc/sys"], False),
    ],
)
def test_a_masked_proc_is_recognised(tmp_path: Path, points: list[str], allowed: bool) -> None:
    """R164."""
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text("".join(MOUNT.format(point) for point in points))
    assert fresh_proc_allowed(str(mountinfo)) == allowed


def test_without_a_list_of_mounts_it_is_tried(tmp_path: Path) -> None:
    """R170."""
    assert fresh_proc_allowed(str(tmp_path / "missing"))


@pytest.mark.parametrize(
    ("kinds", "is_initramfs"),
    [(["rootfs"], True), (["rootfs", "overlay"], False), (["overlay"], False), ([], False)],
)
def test_an_initramfs_is_recognised(tmp_path: Path, kinds: list[str], is_initramfs: bool) -> None:
    """P23."""
    mountinfo = tmp_path / "mountinfo"
    lines = [f"1 1 0:2 / /proc rw shared:1 master:2 - {kind} {kind} rw\n" for kind in kinds]
    mountinfo.write_text("".join(lines))
    # A file system without a disk, as an initramfs is; on others nobody looks further.
    assert root_is_initramfs("/proc", str(mountinfo)) == is_initramfs


def test_a_root_on_a_disk_is_none(tmp_path: Path) -> None:
    assert not root_is_initramfs("/", str(tmp_path / "missing"))
