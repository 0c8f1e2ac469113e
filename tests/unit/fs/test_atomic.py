import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgfetch.errors import NoSpaceError
from imgfetch.fs import atomic
from tests.support.mounts import small_tmpfs


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


class TestModes:
    """R070: exact modes whatever the umask."""

    def test_of_files(self, tmp_path: Path, umask: int) -> None:
        atomic.replace_file(str(tmp_path / "private"), b"")
        atomic.replace_file(str(tmp_path / "public"), b"", mode=0o644)
        assert mode(tmp_path / "private") == 0o600
        assert mode(tmp_path / "public") == 0o644

    def test_of_directories(self, tmp_path: Path, umask: int) -> None:
        atomic.make_directories(str(tmp_path / "a" / "b"))
        atomic.make_directory(str(tmp_path / "c"), 0o755)
        modes = {name: mode(tmp_path / name) for name in ("a", "a/b", "c")}
        assert modes == {"a": 0o700, "a/b": 0o700, "c": 0o755}


def test_directories_that_are_there_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o755)
    atomic.make_directories(str(tmp_path / "a" / "b"))
    atomic.make_directory(str(tmp_path / "a"))
    assert mode(tmp_path / "a") == 0o755
    assert mode(tmp_path / "a" / "b") == 0o700


def test_relative_paths_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    atomic.make_directories("a/b")
    atomic.replace_file("file", b"1")
    assert sorted(os.listdir(tmp_path)) == ["a", "file"]


def test_a_file_replaces_what_was_there_and_nothing_else_is_left(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")
    atomic.replace_file(str(target), b"new")
    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["target"]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"old")
    (tmp_path / "target").symlink_to("outside")
    atomic.replace_file(str(tmp_path / "target"), b"new")
    assert (tmp_path / "outside").read_bytes() == b"old"
    assert not (tmp_path / "target").is_symlink()


def test_the_temporary_file_goes_where_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "aside").mkdir()
    target = str(tmp_path / "target")
    with atomic.staged_file(target, directory=str(tmp_path / "aside")) as fd:
        (name,) = os.listdir(tmp_path / "aside")
        assert atomic.is_temporary_name(name)
        assert os.listdir(tmp_path) == ["aside"]
        os.write(fd, b"content")
    assert os.listdir(tmp_path / "aside") == []
    assert (tmp_path / "target").read_bytes() == b"content"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_an_error_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")

    def break_off() -> None:
        with atomic.staged_file(str(target)) as fd:
            os.write(fd, b"half")
            raise error

    with pytest.raises(error):
        break_off()
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["target"]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    """R090: nothing half-visible, and both numbers in the error."""
    with small_tmpfs(tmp_path / "fs", size=64 << 10) as mounted:
        target = mounted / "target"
        target.write_bytes(b"old")
        with pytest.raises(NoSpaceError) as caught:
            atomic.replace_file(str(target), bytes(256 << 10))
        assert target.read_bytes() == b"old"
        assert os.listdir(mounted) == ["target"]
    assert caught.value.expected == "256.0 KiB free"
    assert caught.value.actual is not None


def test_no_inodes_leaves_what_was_there(tmp_path: Path) -> None:
    with small_tmpfs(tmp_path / "fs", size=64 << 10, inodes=2) as mounted:
        (mounted / "target").write_bytes(b"old")
        with pytest.raises(NoSpaceError, match="no inodes"):
            atomic.replace_file(str(mounted / "target"), b"new")
        assert (mounted / "target").read_bytes() == b"old"


@pytest.mark.parametrize("step", ["write", "fsync", "rename"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG])
def test_an_error_at_any_step_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, code: int
) -> None:
    """R090: temp write, fsync, rename."""
    target = tmp_path / "target"
    target.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(os, step, fail)
        expected = NoSpaceError if code in {errno.ENOSPC, errno.EDQUOT} else OSError
        with pytest.raises(expected):
            atomic.replace_file(str(target), b"new")
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["target"]


def test_the_order_survives_a_power_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R093: the content is on the disk before the name is, and then the name too."""
    steps: list[str] = []
    fsync, rename = os.fsync, os.rename

    def recorded_fsync(fd: int) -> None:
        steps.append("sync " + ("directory" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file"))
        fsync(fd)

    def recorded_rename(source: str, target: str) -> None:
        steps.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "rename", recorded_rename)
    atomic.replace_file(str(tmp_path / "target"), b"content")
    assert steps == ["sync file", "rename", "sync directory"]


def test_short_writes_are_continued(monkeypatch: pytest.MonkeyPatch) -> None:
    written = bytearray()

    def write(_fd: int, data: bytes) -> int:
        written.extend(data[:3])
        return min(3, len(data))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write)
        atomic.write_all(0, b"0123456789")
    assert written == b"0123456789"
