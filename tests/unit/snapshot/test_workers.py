"""Work in forked children."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from imgfetch.errors import DiffIDMismatchError, RuntimeFailedError
from imgfetch.snapshot.workers import results


def values(tasks: list[Callable[[], Any]], limit: int = 2) -> dict[int, Any]:
    return dict(results(tasks, limit))


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_every_task_gives_its_value() -> None:
    tasks: list[Callable[[], Any]] = [partial(int.__mul__, number, 2) for number in range(7)]
    assert values(tasks) == {number: number * 2 for number in range(7)}


def test_tasks_run_in_other_processes_and_no_more_than_asked_for(tmp_path: Path) -> None:
    def task() -> int:
        mine = tmp_path / str(os.getpid())
        mine.touch()
        time.sleep(0.02)
        together = len(list(tmp_path.iterdir()))
        mine.unlink()
        return together

    counts = values([task] * 6, limit=3)
    assert max(counts.values()) <= 3
    assert not (tmp_path / str(os.getpid())).exists()


def test_a_large_value_arrives_whole() -> None:
    assert values([lambda: "x" * 1_000_000])[0] == "x" * 1_000_000


def test_a_process_that_is_killed_in_mid_word_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(descriptor: int, _said: bytes) -> int:
        real_write(descriptor, b'{"value": "x')
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    real_write = os.write
    monkeypatch.setattr(os, "write", cut)
    with pytest.raises(RuntimeFailedError, match="was killed"):
        values([lambda: "x"])


def test_an_error_arrives_as_it_was_raised() -> None:
    def task() -> None:
        message = "layer x is not what the config says"
        raise DiffIDMismatchError(message, expected="a", actual="b", hint="pull again")

    with pytest.raises(DiffIDMismatchError) as caught:
        values([task])
    assert caught.value.lines() == [
        "layer x is not what the config says",
        "expected a",
        "got      b",
        "pull again",
    ]


def test_a_bug_arrives_with_its_traceback() -> None:
    def task() -> None:
        message = "nobody thought of this"
        raise KeyError(message)

    with pytest.raises(RuntimeError, match="nobody thought of this"):
        values([task])


def test_a_killed_child_is_no_success() -> None:
    with pytest.raises(RuntimeFailedError, match="was killed"):
        values([lambda: os.kill(os.getpid(), signal.SIGKILL)])


def test_the_first_failure_ends_the_others(tmp_path: Path) -> None:
    started = tmp_path / "pid"

    def slow() -> None:
        started.write_text(str(os.getpid()))
        time.sleep(60)

    def fails() -> None:
        while not started.exists() or not started.read_text():
            time.sleep(0.005)
        message = "broken"
        raise DiffIDMismatchError(message)

    with pytest.raises(DiffIDMismatchError):
        values([slow, fails])
    assert not running(int(started.read_text()))


def test_children_end_with_their_parent(tmp_path: Path) -> None:
    """R145: whoever is killed leaves no process behind."""
    started = tmp_path / "pid"

    def slow() -> None:
        started.write_text(str(os.getpid()))
        time.sleep(60)

    parent = os.fork()
    if parent == 0:
        try:
            values([slow])
        finally:
            os._exit(0)
    while not started.exists() or not started.read_text():
        time.sleep(0.005)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    deadline = time.monotonic() + 10
    while running(int(started.read_text())) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not running(int(started.read_text()))
