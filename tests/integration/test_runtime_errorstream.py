"""Standard error around a runtime: what a container writes arrives, a runtime's own words don't."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from imgfetch.errors import RuntimeFailedError
from imgfetch.runtime.errorstream import without_last_words
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
        with without_last_words(started.exists):
            os.write(2, b"early ")
            (tmp_path / "written").touch()
            while not (tmp_path / "seen").exists():
                time.sleep(0.005)
            os.write(2, b"late")

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


def test_standard_error_is_ones_own_again_afterwards(tmp_path: Path) -> None:
    def work() -> None:
        os.dup2(os.open(tmp_path / "errors", os.O_WRONLY | os.O_CREAT, 0o600), 2)
        with without_last_words(lambda: False):
            os.write(2, b"dropped")
        os.write(2, b"ours")

    forked(work)
    assert (tmp_path / "errors").read_bytes() == b"ours"
