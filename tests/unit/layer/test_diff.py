"""Layers made upper directories by themselves."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import pytest

from imgfetch.interfaces import LayerDiff
from imgfetch.layer.applier import Applier
from imgfetch.layer.options import ApplyOptions, Limits
from tests.support import layers
from tests.support.layers import described, layer

OPAQUE = "trusted.overlay.opaque"


def diff(root: Path, *members: bytes, options: ApplyOptions | None = None) -> LayerDiff | None:
    stream = layer(*members)
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return Applier(options).diff(
            io.BytesIO(stream), described(stream), descriptor, opaque=OPAQUE
        )
    finally:
        os.close(descriptor)


def is_whiteout(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(path: Path) -> bool:
    return OPAQUE in os.listxattr(path) and os.getxattr(path, OPAQUE) == b"y"


def test_a_whiteout_is_a_device_and_is_told_of(tmp_path: Path) -> None:
    made = diff(tmp_path, layers.directory("d", mtime=5), layers.file("d/.wh.x"))
    assert made is not None
    assert made.whiteouts == (b"d/x",)
    assert is_whiteout(tmp_path / "d" / "x")
    assert (tmp_path / "d").stat().st_mtime == 5


def test_an_opaque_directory_is_marked(tmp_path: Path) -> None:
    assert diff(tmp_path, layers.directory("d"), layers.file("d/.wh..wh..opq")) is not None
    assert is_opaque(tmp_path / "d")
    assert os.listdir(tmp_path / "d") == []


@pytest.mark.parametrize("order", [1, -1])
def test_a_directory_that_replaces_one_is_opaque(tmp_path: Path, order: int) -> None:
    members = [layers.file(".wh.d"), layers.directory("d")][::order]
    assert diff(tmp_path, *members) is not None
    assert is_opaque(tmp_path / "d")


def test_a_file_needs_no_mark_to_hide_what_is_below(tmp_path: Path) -> None:
    made = diff(tmp_path, layers.file(".wh.f"), layers.file("f", b"new"))
    assert made is not None
    assert made.whiteouts == ()
    assert (tmp_path / "f").read_bytes() == b"new"


def test_a_whiteout_where_everything_is_hidden_leaves_nothing_to_show(tmp_path: Path) -> None:
    """Overlayfs lists the devices of directories that are not merged."""
    made = diff(
        tmp_path,
        layers.directory("d"),
        layers.directory("d/e"),
        layers.file("d/.wh..wh..opq"),
        layers.file("d/.wh.x"),
        layers.file("d/e/.wh.y"),
    )
    assert made is not None
    assert made.whiteouts == ()
    assert os.listdir(tmp_path / "d") == ["e"]
    assert os.listdir(tmp_path / "d" / "e") == []


@pytest.mark.parametrize(
    "members",
    [
        [layers.file("d/f")],
        [layers.file("d/.wh.f")],
        [layers.file("d/.wh..wh..opq")],
        [layers.file(".wh..wh..opq")],
        [layers.hardlink("b", "a")],
        [layers.directory("d"), layers.hardlink("d/b", "d/a")],
        [layers.symlink("l", "d"), layers.file("l/f")],
    ],
    ids=["parent", "whiteout", "opaque", "root", "link", "link in known", "through a link"],
)
def test_what_depends_on_layers_below_is_left_to_them(tmp_path: Path, members: list[bytes]) -> None:
    assert diff(tmp_path, *members) is None


def test_a_device_that_is_left_out_hides_what_is_below(tmp_path: Path) -> None:
    made = diff(tmp_path, layers.header(b"sda", b"4", device=(8, 0)))
    assert made is not None
    assert made.stats.skipped_devices == 1
    assert made.whiteouts == (b"sda",)


def test_a_directory_in_the_place_of_a_file_of_the_same_layer_is_opaque(tmp_path: Path) -> None:
    made = diff(tmp_path, layers.file("a"), layers.file("a/b", b"x"))
    assert made is not None
    assert is_opaque(tmp_path / "a")


def test_an_entry_for_the_root_is_told_of(tmp_path: Path) -> None:
    made = diff(tmp_path, layers.directory("./", mode=0o711))
    assert made is not None
    assert made.stats.describes_root


def test_what_is_broken_in_any_case_is_found_again_on_top_of_the_others(tmp_path: Path) -> None:
    options = ApplyOptions(limits=Limits(entries=1))
    assert diff(tmp_path, layers.file("a"), layers.file("b"), options=options) is None
