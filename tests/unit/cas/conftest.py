from pathlib import Path

import pytest

from imgfetch.cas.directory import LayoutStore
from tests.support.incoming import DATA, Incoming
from tests.support.sources import RecordedProgress


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    """A store that was written to before."""
    store = LayoutStore(tmp_path / "store", lock_timeout=0.2)
    with store.lease():
        return store


@pytest.fixture
def progress() -> RecordedProgress:
    return RecordedProgress()


@pytest.fixture
def incoming() -> Incoming:
    return Incoming.of(DATA)
