"""What a stack of overlay directories shows."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from imgfetch.snapshot.lower import LowerView, drop_pointless

OPAQUE = "trusted.overlay.opaque"


def white_out(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR)


@pytest.fixture
def stack(tmp_path: Path) -> list[Path]:
    """Three layers, the topmost first."""
    trees = [tmp_path / name for name in ("top", "middle", "bottom")]
    for tree in trees:
        tree.mkdir()
    top, middle, bottom = trees
    for directory in ("d", "opaque", "file", "gone", "link"):
        (bottom / directory).mkdir()
        (bottom / directory / "x").write_text("x")
    for directory in ("d", "opaque"):
        (middle / directory).mkdir()
    os.setxattr(middle / "opaque", OPAQUE, b"y")
    (middle / "file").write_text("")
    white_out(middle / "gone")
    (middle / "link").symlink_to("/")
    (top / "opaque").mkdir()
    white_out(top / "opaque" / "x")
    return trees


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (b"d", True),
        (b"d/x", True),
        (b"d/y", False),
        (b"d/x/y", False),
        (b"opaque", True),
        (b"opaque/x", False),
        (b"file", True),
        (b"file/x", False),
        (b"gone", False),
        (b"gone/x", False),
        (b"link/x", False),
        (b"nothing/at/all", False),
    ],
)
def test_what_is_hidden_is_not_shown(stack: list[Path], path: bytes, *, shown: bool) -> None:
    assert LowerView([str(tree) for tree in stack], OPAQUE).shows(path) is shown


def test_only_whiteouts_that_hide_something_are_kept(tmp_path: Path, stack: list[Path]) -> None:
    upper = tmp_path / "upper"
    (upper / "d").mkdir(parents=True)
    for path in ("d/x", "d/y", "gone", "file"):
        white_out(upper / path)
    os.utime(upper / "d", (7, 7))
    view = LowerView([str(tree) for tree in stack], OPAQUE)
    drop_pointless(str(upper), [b"d/x", b"d/y", b"gone", b"file"], view)
    assert sorted(os.listdir(upper)) == ["d", "file"]
    assert os.listdir(upper / "d") == ["x"]
    assert (upper / "d").stat().st_mtime == 7
