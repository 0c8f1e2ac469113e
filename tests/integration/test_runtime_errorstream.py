"""Standard error around a runtime: what a container writes arrives, a runtime's own words don't."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

import pytest

from imgfetch.errors import RuntimeFailedError
from imgfetch.runtime.errorstream import ErrorStream
from tests.support.forked import forked
from tests.support.runner import Runner


@pytest.fixture
def root(tmp_path: Path) -> Runner:
    return Runner(tmp_path, None)


def test_a_failing_runtimes_message_is_not_said_twice(root: Runner, tmp_path: Path) -> None:
    def work() -> str:
        os.dup2(os.open(tmp_path / "errors", os.O_WRONLY | os.O_CREAT, 0o600), 2)
        with pytest.raises(RuntimeFailedError) as caught:
            root.run_here(["true"], changes={"cwd": "relative"})
        return caught.value.message

    assert "Cwd" in forked(work)
    assert (tmp_path / "errors").read_bytes() == b""


def test_what_a_container_writes_arrives_in_full_and_in_order(root: Runner) -> None:
    result = root("sh", "-c", "seq 200000 >&2; exit 3")
    assert result.outcome.status == 3
    assert result.stderr.split() == [b"%d" % number for number in range(1, 200001)]


def test_what_is_written_arrives_at_once(tmp_path: Path) -> None:
    """Once the container runs, and not only at its end."""
    read, write = os.pipe()
    started = tmp_path / "started"

    def work() -> None:
        os.close(read)
        os.dup2(write, 2)
        with ErrorStream(started.exists) as errors:
            container = os.dup(2)
            errors.give_back()
            os.write(container, b"early ")
            (tmp_path / "written").touch()
            while not (tmp_path / "seen").exists():
                time.sleep(0.005)
            os.write(container, b"late")
            os.close(container)

    thread = threading.Thread(target=forked, args=(work,))
    thread.start()
    while not (tmp_path / "written").exists():
        time.sleep(0.005)
    os.close(write)
    started.touch()
    with open(read, "rb", buffering=0) as stream:
        assert stream.read(100) == b"early "
        (tmp_path / "seen").touch()
        assert stream.read(100) == b"late"
        assert stream.read(100) == b""
    thread.join()


def test_where_no_thread_can_be_had_a_process_does(
    root: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for users who have as many as they may."""

    def refuse(*_: object) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    monkeypatch.setattr("_thread.start_new_thread", refuse)
    result = root("sh", "-c", "echo said >&2; exit 4")
    assert (result.outcome.status, result.stderr) == (4, b"said\n")


def test_standard_error_is_ones_own_again_afterwards(tmp_path: Path) -> None:
    def work() -> None:
        os.dup2(os.open(tmp_path / "errors", os.O_WRONLY | os.O_CREAT, 0o600), 2)
        with ErrorStream(lambda: False) as errors:
            os.write(2, b"dropped")
            errors.give_back()
            os.write(2, b"and ours ")
        os.write(2, b"again")

    forked(work)
    assert (tmp_path / "errors").read_bytes() == b"and ours again"


def test_standard_error_is_ones_own_again_where_nothing_could_be_started(tmp_path: Path) -> None:
    def work() -> None:
        os.dup2(os.open(tmp_path / "errors", os.O_WRONLY | os.O_CREAT, 0o600), 2)
        with contextlib.suppress(FileNotFoundError), ErrorStream(lambda: False):
            os.write(2, b"dropped")
            os.stat("/nowhere")
        os.write(2, b"ours")

    forked(work)
    assert (tmp_path / "errors").read_bytes() == b"ours"


def test_who_writes_when_nobody_reads_any_more_learns_it(root: Runner) -> None:
    """As with a pipe of one's own: by SIGPIPE's status."""
    read, write = os.pipe()
    os.close(read)

    def work() -> int:
        os.dup2(write, 2)
        return root.run_here(["sh", "-c", "yes >&2 & wait $!"]).status

    assert forked(work) == 128 + 13
    os.close(write)
