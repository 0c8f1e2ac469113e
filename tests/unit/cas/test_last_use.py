"""When content was used: its own time says so, written once a day."""

import os
import time
from pathlib import Path

import pytest

from imgfetch.cas.directory import LayoutStore
from tests.support.incoming import Incoming
from tests.support.mounts import read_only
from tests.support.sources import RecordedProgress
from tests.support.store_files import blob_file

DAY = 24 * 3600


@pytest.fixture
def blob(store: LayoutStore, incoming: Incoming, progress: RecordedProgress) -> Path:
    store.ingest(incoming.content, progress)
    return blob_file(store, incoming.descriptor)


def aged(blob: Path, seconds: float) -> float:
    then = time.time() - seconds
    os.utime(blob, (then, then))
    return blob.stat().st_mtime


def test_it_is_remembered_when_the_last_time_is_a_day_ago(
    store: LayoutStore, incoming: Incoming, blob: Path
) -> None:
    aged(blob, 2 * DAY)
    store.mark_used(incoming.descriptor.digest)
    used = store.last_used(incoming.descriptor.digest)
    assert used is not None
    assert time.time() - used < DAY


def test_it_is_not_written_again_on_the_same_day(
    store: LayoutStore, incoming: Incoming, blob: Path
) -> None:
    before = aged(blob, DAY / 2)
    store.mark_used(incoming.descriptor.digest)
    assert store.last_used(incoming.descriptor.digest) == before


def test_what_is_not_there_was_never_used(store: LayoutStore, incoming: Incoming) -> None:
    store.mark_used(incoming.descriptor.digest)
    assert store.last_used(incoming.descriptor.digest) is None


def test_a_store_that_can_not_be_written_remembers_nothing(
    store: LayoutStore, incoming: Incoming, blob: Path
) -> None:
    """R105."""
    before = aged(blob, 2 * DAY)
    with read_only(Path(store.path)):
        store.mark_used(incoming.descriptor.digest)
    assert store.last_used(incoming.descriptor.digest) == before
