"""Unpacking in a child while layers arrive."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from imgfetch.cas.directory import LayoutStore
from imgfetch.errors import DigestMismatchError, MalformedLayerError, NetworkError
from imgfetch.interfaces import BlobReader, Progress
from imgfetch.oci.descriptor import Descriptor
from imgfetch.workflow.alongside import unpacking
from imgfetch.workflow.pull import fetch_all
from tests.support.sources import FakeSource, RecordedProgress

TYPE = "application/vnd.oci.image.layer.v1.tar"
BLOBS = [bytes([number]) * 50_000 for number in range(3)]
LAYERS = [Descriptor.of(blob, TYPE) for blob in BLOBS]


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    return LayoutStore(tmp_path / "store")


@pytest.fixture
def source() -> FakeSource:
    return FakeSource(LAYERS[0], {layer.digest: b for layer, b in zip(LAYERS, BLOBS, strict=True)})


def fetch(source: FakeSource, store: LayoutStore, progress: Progress) -> None:
    fetch_all(LAYERS, source=source, store=store, progress=progress, jobs=2)


def test_layers_are_read_as_they_arrive(
    tmp_path: Path, store: LayoutStore, source: FakeSource
) -> None:
    unpacked = tmp_path / "unpacked"

    def unpack(content: BlobReader, progress: Progress) -> None:
        for layer in LAYERS:
            with content.open(layer) as blob, unpacked.open("ab") as file:
                file.write(blob.read())
            progress.update(layer, "applied", layer.size)
        progress.warn("that was all")

    def last_one_waits(descriptor: Descriptor, _offset: int) -> None:
        # It arrives only when those before it have been unpacked.
        while descriptor == LAYERS[2] and unpacked.stat().st_size < 100_000:
            os.sched_yield()

    unpacked.touch()
    source.on_chunk = last_one_waits
    told = RecordedProgress()
    with unpacking(unpack, store, told) as progress:
        fetch(source, store, progress)
    assert unpacked.read_bytes() == b"".join(BLOBS)
    assert [digest for digest, stage in told.stages if stage == "applied"] == [
        layer.digest for layer in LAYERS
    ]
    assert told.warnings == ["that was all"]


def test_a_layer_that_cannot_be_unpacked_ends_the_transfers(
    store: LayoutStore, source: FakeSource
) -> None:
    def unpack(content: BlobReader, progress: Progress) -> None:
        content.open(LAYERS[0]).close()
        message = "not a tar archive"
        raise MalformedLayerError(message, expected="a tar archive")

    def others_wait_for_it(descriptor: Descriptor, offset: int) -> None:
        if descriptor != LAYERS[0] and offset > 40_000:
            message = "it was not ended"
            raise AssertionError(message)
        if descriptor != LAYERS[0]:
            signal.sigtimedwait([signal.SIGUSR1], 0.02)

    source.on_chunk = others_wait_for_it
    with (
        pytest.raises(MalformedLayerError) as caught,
        unpacking(unpack, store, RecordedProgress()) as progress,
    ):
        fetch(source, store, progress)
    assert caught.value.expected == "a tar archive"


def test_a_transfer_that_fails_ends_the_unpacking(
    tmp_path: Path, store: LayoutStore, source: FakeSource
) -> None:
    started = tmp_path / "pid"

    def unpack(content: BlobReader, progress: Progress) -> None:
        started.write_text(str(os.getpid()))
        content.open(LAYERS[1])

    def breaks(descriptor: Descriptor, _offset: int) -> None:
        while not (started.exists() and started.read_text()):
            os.sched_yield()
        if descriptor == LAYERS[1]:
            message = "broken"
            raise NetworkError(message)

    source.on_chunk = breaks
    with (
        pytest.raises(NetworkError, match="broken"),
        unpacking(unpack, store, RecordedProgress()) as progress,
    ):
        fetch(source, store, progress)
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_an_interruption_ends_the_unpacking_that_is_waited_for(store: LayoutStore) -> None:
    def unpack(_content: BlobReader, _progress: Progress) -> None:
        while True:
            signal.pause()

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt), unpacking(unpack, store, RecordedProgress()):
            signal.setitimer(signal.ITIMER_REAL, 0.01)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_what_does_not_verify_is_never_opened(store: LayoutStore, source: FakeSource) -> None:
    source.blobs[LAYERS[0].digest] = b"x" * 50_000

    def unpack(content: BlobReader, progress: Progress) -> None:
        content.open(LAYERS[0])
        message = "opened"
        raise AssertionError(message)

    with (
        pytest.raises(DigestMismatchError),
        unpacking(unpack, store, RecordedProgress()) as progress,
    ):
        fetch(source, store, progress)


def test_what_progress_raises_is_raised_and_keeps_nobody_waiting(store: LayoutStore) -> None:
    class Callback(RecordedProgress):
        def warn(self, message: str) -> None:
            raise LookupError(message)

    def unpack(content: BlobReader, progress: Progress) -> None:
        for _ in range(10):
            progress.warn("x" * 50_000)

    with pytest.raises(LookupError), unpacking(unpack, store, Callback()):
        pass
