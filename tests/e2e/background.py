"""Containers in the background, for tests: started, listed, and gone at the end."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.people import Somebody

LOOP = "while :; do sleep 0.05; done"


@pytest.fixture(autouse=True)
def nothing_is_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Containers of a test that failed would be in the way of the others."""
    persons = {"anybody", "myself", "with_many_ids", "subid_somebody", "plain_somebody"}
    everybody = [request.getfixturevalue(name) for name in persons & set(request.fixturenames)]
    yield
    for somebody in everybody:
        ids = somebody.imgfetch("ps", "-aq").lines
        if ids:
            somebody.imgfetch("rm", "-f", *ids).succeeded()


def start(somebody: Somebody, *options: str | Path, script: str = LOOP) -> str:
    """Starts a container; returns its id."""
    said = somebody.run("-d", *options, command=["sh", "-c", script]).succeeded()
    assert said.errors == ""
    (container_id,) = said.lines
    assert re.fullmatch("[0-9a-f]{64}", container_id)
    return container_id


def listed(somebody: Somebody) -> dict[str, dict[str, Any]]:
    """What ``ps`` tells, by id."""
    raw = somebody.imgfetch("ps", "-a", "--format", "json").succeeded().stdout
    return {entry["id"]: entry for entry in json.loads(raw)}


def monitor_of(somebody: Somebody, container_id: str) -> int:
    facts = json.loads(
        (somebody.imgfetch.store / "runs" / container_id / "detached.json").read_text()
    )
    pid = facts["monitor"]["pid"]
    assert isinstance(pid, int)
    return pid
