"""Fixtures of the registry's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.registry_content import IMAGE, blob
from tests.support.registry_server import ScriptedServer
from tests.support.registry_world import World


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


@pytest.fixture
def storage(world: World) -> ScriptedServer:
    """The storage that a registry's blobs are behind."""
    return world.host("storage.test", {"GET /layer": blob(IMAGE.layer)})
