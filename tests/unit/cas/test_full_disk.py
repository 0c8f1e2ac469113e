"""No space or no inodes left, at any step."""

import contextlib
import errno
import os
from pathlib import Path

import pytest

from imgfetch.cas.directory import LayoutStore
from imgfetch.errors import (
    NoSpaceError,
    StoreError,
)
from imgfetch.oci.descriptor import Descriptor
from tests.support.incoming import DATA, Incoming
from tests.support.mounts import small_tmpfs
from tests.support.sources import RecordedProgress
from tests.support.trees import paths


def fill_up(file: Path) -> None:
    """Lets a file grow until nothing fits any more."""
    with file.open("wb", buffering=0) as growing, contextlib.suppress(OSError):
        while True:
            growing.write(bytes(4096))


class TestFullDisk:
    """R090: exit 15, nothing half-visible, finished content kept."""

    def test_what_can_not_fit_is_not_begun(
        self, tmp_path: Path, progress: RecordedProgress
    ) -> None:
        with small_tmpfs(tmp_path / "fs", size=256 << 10) as mounted:
            store = LayoutStore(mounted / "store")
            kept = Incoming.of(DATA)
            store.ingest(kept.content, progress)
            large = Incoming.of(bytes(1 << 20))
            with pytest.raises(NoSpaceError) as caught:
                store.ingest(large.content, progress)
            assert large.offsets == []
            assert caught.value.expected == "1.0 MiB free"
            assert store.read(kept.descriptor, 1 << 20) == DATA
            assert os.listdir(mounted / "store/ingest") == []

    def test_what_does_not_fit_after_all_is_removed(
        self, tmp_path: Path, progress: RecordedProgress
    ) -> None:
        with small_tmpfs(tmp_path / "fs", size=512 << 10) as mounted:
            store = LayoutStore(mounted / "store")
            large = Incoming.of(bytes(300 << 10))

            def other_grows(offset: int) -> None:
                if offset == 0:
                    (mounted / "other").write_bytes(bytes(400 << 10))

            large.before_chunk = other_grows
            with pytest.raises(NoSpaceError) as caught:
                store.ingest(large.content, progress)
            assert caught.value.expected is not None
            assert store.find(large.descriptor.digest) is None
            assert os.listdir(mounted / "store/ingest") == []
            (mounted / "other").unlink()
            large.before_chunk = lambda _offset: None
            store.ingest(large.content, progress)
            assert store.contains(large.descriptor)

    def test_names_stay_as_they_were(self, tmp_path: Path, progress: RecordedProgress) -> None:
        with small_tmpfs(tmp_path / "fs", size=128 << 10) as mounted:
            store = LayoutStore(mounted / "store")
            store.tag("before", Descriptor.of(b"", ""))
            fill_up(mounted / "other")
            with pytest.raises(NoSpaceError):
                store.tag("after", Descriptor.of(b"", ""))
            assert [name for name, _ in store.entries()] == ["before"]
            assert os.listdir(mounted / "store/ingest") == []

    def test_no_store_at_all_is_left_half_made(self, tmp_path: Path) -> None:
        with small_tmpfs(tmp_path / "fs", size=64 << 10, inodes=3) as mounted:
            store = LayoutStore(mounted / "store")
            with pytest.raises(NoSpaceError, match="no inodes"):
                store.tag("x", Descriptor.of(b"", ""))
            assert store.entries() == []
            assert not any(name.endswith(".tmp") for name in paths(mounted))


@pytest.mark.parametrize("step", ["fsync", "rename"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG])
def test_an_error_at_the_end_publishes_nothing(
    store: LayoutStore,
    incoming: Incoming,
    progress: RecordedProgress,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    code: int,
) -> None:
    """R090."""

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    full = code in {errno.ENOSPC, errno.EDQUOT}
    with monkeypatch.context() as patched:
        patched.setattr(os, step, fail)
        with pytest.raises(NoSpaceError if full else StoreError):
            store.ingest(incoming.content, progress)
    assert store.find(incoming.descriptor.digest) is None
    store.ingest(incoming.content, progress)
    assert store.read(incoming.descriptor, 1 << 20) == DATA


class TestRoomForAll:
    """R090: what can't fit altogether is not begun with."""

    def test_the_bytes_needed_and_those_free_are_told(
        self, tmp_path: Path, progress: RecordedProgress
    ) -> None:
        with small_tmpfs(tmp_path / "fs", size=256 << 10) as mounted:
            store = LayoutStore(mounted / "store")
            halves = [Incoming.of(bytes([number]) * (150 << 10)) for number in range(2)]
            with pytest.raises(NoSpaceError) as caught:
                store.require_space([half.descriptor for half in halves])
            assert caught.value.expected == "300.0 KiB free"
            assert caught.value.actual is not None
            store.require_space([halves[0].descriptor])
            store.ingest(halves[0].content, progress)
            store.require_space([halves[0].descriptor])

    def test_what_has_arrived_already_needs_no_room(
        self, tmp_path: Path, progress: RecordedProgress
    ) -> None:
        with small_tmpfs(tmp_path / "fs", size=512 << 10) as mounted:
            store = LayoutStore(mounted / "store")
            large = Incoming.of(bytes(300 << 10))

            def break_off(offset: int) -> None:
                if offset > 250 << 10:
                    raise KeyboardInterrupt

            large.before_chunk = break_off
            with pytest.raises(KeyboardInterrupt):
                store.ingest(large.content, progress)
            store.require_space([large.descriptor])
