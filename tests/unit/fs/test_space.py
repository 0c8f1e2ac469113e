import errno
import os
from pathlib import Path

import pytest

from imgfetch.errors import NoSpaceError
from imgfetch.fs import space
from tests.support.mounts import small_tmpfs


def test_free_tells_what_is_left(tmp_path: Path) -> None:
    with small_tmpfs(tmp_path / "fs", size=1 << 20, inodes=10) as mounted:
        before = space.free(str(mounted))
        (mounted / "file").write_bytes(bytes(512 << 10))
        after = space.free(str(mounted))
    assert before.bytes == 1 << 20
    assert after.bytes == 512 << 10
    assert before.inodes is not None
    assert after.inodes == before.inodes - 1


def test_a_file_system_without_limits_is_not_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """R090: network and FUSE file systems report zero blocks and zero inodes of zero."""
    none = os.statvfs_result((4096, 4096, 0, 0, 0, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _path: none)
    assert space.free("/") == (None, None)
    space.require("/", 1 << 60)


def test_what_can_not_fit_is_refused_with_both_numbers(tmp_path: Path) -> None:
    with small_tmpfs(tmp_path / "fs", size=1 << 20) as mounted:
        space.require(str(mounted), 1 << 20)
        with pytest.raises(NoSpaceError) as caught:
            space.require(str(mounted), (1 << 20) + 1)
    assert str(mounted) in caught.value.message
    assert (caught.value.expected, caught.value.actual) == ("1.0 MiB free", "1.0 MiB free")


def test_missing_inodes_are_named(tmp_path: Path) -> None:
    """R090: ENOSPC with gigabytes free makes people look in the wrong place."""
    with small_tmpfs(tmp_path / "fs", size=1 << 20, inodes=2) as mounted:
        (mounted / "last").touch()
        with pytest.raises(OSError, match="No space left") as caught:
            (mounted / "one more").touch()
        error = space.no_space(str(mounted), error=caught.value)
    assert "no inodes left" in error.message


def test_a_quota_is_named() -> None:
    error = space.no_space("/", needed=5, error=OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert "quota" in error.message
    assert error.expected == "5 bytes"


def test_the_error_does_not_depend_on_the_file_system_answering() -> None:
    assert "no space left" in space.no_space("/does/not/exist").message


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1536 << 10, "1.5 MiB"),
        (3 << 30, "3.0 GiB"),
        (5000 << 40, "5000.0 TiB"),
    ],
)
def test_sizes_are_readable(size: int, text: str) -> None:
    assert space.readable(size) == text
