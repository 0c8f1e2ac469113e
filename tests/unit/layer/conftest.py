"""A sandbox for each test of layers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imgfetch.fs.removal import remove_tree
from tests.support.layers import Sandbox


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox.make(tmp_path)
    yield sandbox
    # Some trees here are too deep for pytest's own removal.
    remove_tree(sandbox.root)
