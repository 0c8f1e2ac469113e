"""Containers that end, or vanish, between a look and a grip: as those run with --rm do."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imgfetch.errors import RuntimeFailedError, StoreError
from imgfetch.runtime.containers import Container, find
from imgfetch.runtime.layout import DETACHED, ENDING
from imgfetch.runtime.monitor import Monitor
from imgfetch.runtime.rundir import RunDirectory
from imgfetch.workflow import control
from tests.unit.runtime.test_containers import facts

ID = "a" * 64


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    made = RunDirectory.make(str(tmp_path), ID, "brief")
    (made.path / ENDING).touch()
    (made.path / DETACHED).write_bytes(facts(remove=True).encode())
    return made


@pytest.fixture
def container(directory: RunDirectory) -> Container:
    """Its supervisor, this process, holds the directory, and it has no process any more."""
    return find(str(directory.path.parent), "brief")


@contextmanager
def vanishing(directory: RunDirectory) -> Iterator[None]:
    """The supervisor clears up meanwhile."""
    clearing = threading.Timer(0.05, directory.remove)
    clearing.start()
    yield
    clearing.join()


def test_a_signal_to_one_that_is_being_cleared_away_is_no_failure(
    directory: RunDirectory, container: Container
) -> None:
    with vanishing(directory):
        control.kill(container, signal.SIGKILL)


def test_one_that_is_being_cleared_away_can_be_removed(
    directory: RunDirectory, container: Container
) -> None:
    with vanishing(directory):
        control.end(container)
        control.remove(container)
    assert not directory.path.exists()


def test_a_status_that_went_with_the_container_is_not_invented(
    directory: RunDirectory, container: Container
) -> None:
    directory.remove()
    with pytest.raises(StoreError, match="is gone"):
        control.wait(container)


def test_a_status_is_told_to_who_waited_in_time(
    directory: RunDirectory, container: Container
) -> None:
    (directory.path / ENDING).write_text(json.dumps({"exit_code": 7}))
    with vanishing(directory):
        assert control.wait(container) == 7


def test_one_that_nobody_here_can_see_is_told(tmp_path: Path) -> None:
    made = RunDirectory.make(str(tmp_path), ID)
    elsewhere = Monitor(1, 1, "", 1)
    (made.path / DETACHED).write_bytes(facts(monitor=elsewhere).encode())
    with pytest.raises(RuntimeFailedError, match="can't be seen from here"):
        control.kill(find(str(tmp_path), ID), signal.SIGKILL)
