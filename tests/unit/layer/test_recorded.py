"""Owners that could not be given are written down."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgfetch.layer.options import ApplyOptions
from imgfetch.layer.ownership import SingleOwner
from imgfetch.layer.recorded import NAME, encode
from tests.support.contents import Contents, Dir, File, Symlink, tar
from tests.support.layers import apply_layer

OPTIONS = ApplyOptions(owners=SingleOwner(), record_owners=True)
OWNED: Contents = {
    "d": Dir(uid=5, gid=300),
    "d/f": File("x", uid=1000, gid=1000, mode=0o4755),
    "root": File("x"),
    "group": File("x", gid=42),
    "l": Symlink("d", uid=7),
}


def recorded(path: Path) -> bytes | None:
    return os.getxattr(path, NAME) if NAME in os.listxattr(path) else None


@pytest.mark.parametrize(
    ("uid", "gid", "message"),
    [
        (5, 0, b"\x08\x05\x10\xff\xff\xff\xff\x0f"),
        (0, 127, b"\x08\xff\xff\xff\xff\x0f\x10\x7f"),
        (300, 128, b"\x08\xac\x02\x10\x80\x01"),
        (2**32 - 2, 1, b"\x08\xfe\xff\xff\xff\x0f\x10\x01"),
    ],
)
def test_the_message_is_that_of_protocol_buffers(uid: int, gid: int, message: bytes) -> None:
    assert encode(uid, gid) == message


def test_owners_other_than_root_are_written_down(tmp_path: Path) -> None:
    apply_layer(tmp_path, tar(OWNED), options=OPTIONS)
    assert recorded(tmp_path / "d") == encode(5, 300)
    assert recorded(tmp_path / "d" / "f") == encode(1000, 1000)
    assert recorded(tmp_path / "group") == encode(0, 42)
    assert recorded(tmp_path / "root") is None
    assert (tmp_path / "d" / "f").stat().st_mode & 0o7777 == 0o4755


def test_a_directory_that_becomes_roots_loses_the_note(tmp_path: Path) -> None:
    apply_layer(tmp_path, tar(OWNED), options=OPTIONS)
    apply_layer(tmp_path, tar({"d": Dir()}), options=OPTIONS)
    assert recorded(tmp_path / "d") is None


def test_nothing_is_written_down_where_owners_are_given(tmp_path: Path) -> None:
    apply_layer(tmp_path, tar(OWNED))
    assert recorded(tmp_path / "d") is None
    assert (tmp_path / "d").stat().st_uid == 5
