"""Pipes and device nodes."""

from __future__ import annotations

import os
import stat

import pytest

from imgfetch.errors import UnsupportedContentError
from imgfetch.layer.options import ApplyOptions
from tests.support.layers import (
    Sandbox,
    block_device,
    character_device,
    directory,
    fifo,
    file,
    header,
    layer,
)


def test_s087_devices_that_every_dev_has_are_made(sandbox: Sandbox) -> None:
    (stats,) = sandbox.apply(layer(character_device("dev/null", 1, 3, mode=0o666, gid=5, mtime=1)))
    status = (sandbox.root / "dev/null").stat()
    assert stat.S_ISCHR(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o666
    assert (status.st_rdev, status.st_gid, status.st_mtime) == (os.makedev(1, 3), 5, 1)
    assert stats.skipped_devices == 0


def test_s087_other_devices_are_counted(sandbox: Sandbox) -> None:
    members = [character_device("mem", 1, 1), block_device("sda", 8, 0), block_device("n", 1, 3)]
    (stats,) = sandbox.apply(layer(*members, file("a")))
    assert sandbox.tree() == {"a": ""}
    assert stats.skipped_devices == 3


def test_s087_all_devices_are_made_on_request(sandbox: Sandbox) -> None:
    (stats,) = sandbox.apply(layer(block_device("sda", 8, 0)), options=ApplyOptions(devices="all"))
    assert stat.S_ISBLK((sandbox.root / "sda").stat().st_mode)
    assert stats.skipped_devices == 0


@pytest.mark.parametrize("devices", ["all", "standard", "none"])
def test_a_device_that_overlayfs_takes_for_a_whiteout_is_never_made(
    sandbox: Sandbox, devices: str
) -> None:
    options = ApplyOptions(devices=devices)  # type: ignore[arg-type]  # the three there are
    (stats,) = sandbox.apply(layer(character_device("a", 0, 0)), options=options)
    assert sandbox.tree() == {}
    assert stats.skipped_devices == 1


def test_a_device_that_is_not_made_still_replaces(sandbox: Sandbox) -> None:
    options = ApplyOptions(devices="none")
    sandbox.apply(
        layer(file("a", b"old"), directory("b"), file("b/x")),
        layer(character_device("a", 1, 3), block_device("b", 8, 0)),
        options=options,
    )
    assert sandbox.tree() == {}


def test_s087_pipes_are_made_and_never_opened(sandbox: Sandbox) -> None:
    sandbox.apply(layer(fifo("p", mode=0o620, uid=1), fifo("p", mode=0o622)))
    status = (sandbox.root / "p").stat()
    assert stat.S_ISFIFO(status.st_mode)
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o622, 0)


@pytest.mark.parametrize("flag", [b"Z", b"V", b"M", b"D", b"N", b"A", b"\xff"])
def test_s087_unknown_types_are_refused(sandbox: Sandbox, flag: bytes) -> None:
    with pytest.raises(UnsupportedContentError, match="type that is not handled"):
        sandbox.apply(layer(header(b"a", flag)))
    assert sandbox.tree() == {}


def test_r122_devices_that_the_kernel_refuses_are_counted(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "mknod", refuse)
    (stats,) = sandbox.apply(layer(character_device("null", 1, 3), file("a")))
    assert stats.skipped_devices == 1
