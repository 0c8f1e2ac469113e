"""A run of what is in the store asks nobody: not the registry, not the resolver, not a daemon."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.people import Somebody
from tests.support.tools import require_tool

# Names that our own processes have; the runtime's, and the container's, are others.
_OURS = re.compile(r"^\d+<(imgfetch|python[\d.]*)> +(socket|connect)\(")


def _sockets(trace: Path) -> list[str]:
    """The lines of a trace in which a process of ours used a socket."""
    return [line for line in trace.read_text().splitlines() if _OURS.match(line)]


def _traced(somebody: Somebody, trace: Path, *arguments: str) -> bytes:
    strace = [require_tool("strace"), "--follow-forks", "--decode-pids=comm",
              "--trace=socket,connect,execve", f"--output={trace}", "--"]  # fmt: skip
    process = somebody.imgfetch.start(*arguments, wrapper=strace)
    output, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors
    return output


def test_the_trace_would_show_a_socket(myself: Somebody, tmp_path: Path) -> None:
    """What the test below relies on."""
    _traced(myself, tmp_path / "trace", "resolve", myself.published.busybox)
    assert any("AF_INET" in line for line in _sockets(tmp_path / "trace"))


@pytest.mark.parametrize("pinned", [False, True], ids=["tag", "digest"])
@pytest.mark.parametrize("offline", [False, True], ids=["online", "offline"])
def test_a_warm_run_opens_no_socket(
    anybody: Somebody, tmp_path: Path, pinned: bool, offline: bool
) -> None:
    published = anybody.published
    image = published.pinned(published.busybox) if pinned else published.busybox
    options = ["--offline"] if offline else []
    run = [*options, "run", "--network", "none", image, "echo", "hello"]
    trace = tmp_path / "trace"
    assert _traced(anybody, trace, *run) == b"hello\n"
    assert _sockets(trace) == []
    # The names of processes are as expected, so that none was overlooked.
    assert re.search(r"^\d+<imgfetch> ", trace.read_text(), re.MULTILINE)
    assert "runc" in trace.read_text()


@pytest.mark.parametrize(
    "command", [["images"], ["inspect", "{}"], ["resolve", "{}"], ["spec", "{}"], ["pull", "{}"]]
)
def test_offline_commands_open_no_socket(
    myself: Somebody, tmp_path: Path, command: list[str]
) -> None:
    arguments = [part.format(myself.published.busybox) for part in command]
    _traced(myself, tmp_path / "trace", "--offline", *arguments)
    assert _sockets(tmp_path / "trace") == []


def test_everybody_runs_offline_by_tag_and_by_digest(anybody: Somebody) -> None:
    published = anybody.published
    for image in (published.busybox, published.pinned(published.busybox)):
        result = anybody.imgfetch("--offline", "run", "--network", "none", image, "echo", "hello")
        assert result.succeeded().stdout == b"hello\n"
