"""A sandbox for each test of layers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.layers import Sandbox


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox.make(tmp_path)
