"""The process around a command line: its streams, its signals, its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from imgfetch.cli.main import invoke

_MAIN = [sys.executable, "-c", "from imgfetch.cli.main import main; main()"]


def start(
    tmp_path: Path, *arguments: str, stdout: int = subprocess.DEVNULL, program: str | None = None
) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-c", program] if program else _MAIN
    return subprocess.Popen(
        [*argv, "--store", str(tmp_path / "store"), *arguments],
        env={**os.environ, "HOME": str(tmp_path)},
        cwd=Path(__file__).resolve().parents[3],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )


def ended(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    _, said = process.communicate(timeout=60)
    return process.returncode, said


def test_the_status_of_the_process_is_the_commands(tmp_path: Path) -> None:
    assert ended(start(tmp_path, "version")) == (0, b"")
    status, said = ended(start(tmp_path, "resolve", "UPPER"))
    assert status == 3
    assert said.startswith(b"imgfetch: ")


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path) -> None:
    """R150."""
    read, write = os.pipe()
    os.close(read)
    process = start(tmp_path, "images", stdout=write)
    os.close(write)
    assert ended(process) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize("word", ["images", "--help"])
def test_a_full_disk_is_no_bug(tmp_path: Path, word: str) -> None:
    with open("/dev/full", "wb") as full:
        status, said = ended(start(tmp_path, word, stdout=full.fileno()))
    assert status == 15
    assert said == b"imgfetch: standard output can't be written: No space left on device\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_end_it_with_their_status_and_in_good_order(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Python's own way with these skips every clean-up."""
    program = (
        "import os, imgfetch.client as c\n"
        "from imgfetch.cli.main import main\n"
        "def images(self):\n"
        "    try:\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "        import time; time.sleep(60)\n"
        "    finally:\n"
        "        os.write(2, b'cleaned up\\n')\n"
        "c.Client.images = images\n"
        "main()\n"
    )
    status, said = ended(start(tmp_path, "images", program=program))
    assert status == 128 + number
    assert said.splitlines()[0] == b"cleaned up"


def test_closed_streams_are_not_taken_for_files_of_ours(tmp_path: Path) -> None:
    """What is opened next would get the number 1, and a result be written into it."""
    shell = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *_MAIN]
    done = subprocess.run(
        [*shell, "--store", str(tmp_path / "store"), "images"],
        env={**os.environ, "HOME": str(tmp_path)},
        check=False,
        timeout=60,
    )
    assert done.returncode == 0


@pytest.mark.parametrize("way", ["flag", "environment"])
def test_errors_are_objects_where_that_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    words = ["--store", str(tmp_path / "store"), "resolve", "no such\x1b"]
    if way == "flag":
        words = ["--log-format", "json", *words]
    else:
        monkeypatch.setenv("IMGFETCH_LOG_FORMAT", "json")
    assert invoke(words) == 3
    [line] = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert (event["event"], event["kind"], event["status"]) == ("error", "InvalidReferenceError", 3)
    assert event["message"].startswith("invalid reference")
    assert event.keys() == {
        "event", "kind", "status", "message", "expected", "actual", "hint",
    }  # fmt: skip
