"""Output of containers in a file: every byte comes back, with its stream and its time."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

from imgfetch.runtime.output import Entry, Recorder, entries, format_time


def recorded(path: Path, *written: tuple[int, bytes]) -> None:
    """Writes to standard output and error of a process that has a recorder."""
    child = os.fork()
    if child == 0:
        try:
            recorder = Recorder.start(str(path))
            for descriptor, text in written:
                os.write(descriptor, text)
            recorder.release()
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def texts(path: Path, stream: str) -> bytes:
    with path.open("rb") as file:
        return b"".join(entry.text for entry in entries(file) if entry.stream == stream)


def test_the_two_streams_are_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "log"
    recorded(path, (1, b"a\nb"), (2, b"E\n"), (1, b"c\n\nend"))
    assert texts(path, "stdout") == b"a\nbc\n\nend"
    assert texts(path, "stderr") == b"E\n"
    assert path.stat().st_mode & 0o777 == 0o600
    for line in path.read_bytes().splitlines():
        assert re.match(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z std(out|err) [FP] ", line)


def test_bytes_of_any_kind_and_lines_without_end_come_back(tmp_path: Path) -> None:
    blob = bytes(range(256)) * 300 + b"x" * 50_000
    path = tmp_path / "log"
    recorded(path, (1, blob[:60_000]), (1, blob[60_000:]))
    assert texts(path, "stdout") == blob
    assert max(map(len, path.read_bytes().split(b"\n"))) < 17_000


def test_nothing_written_is_an_empty_file(tmp_path: Path) -> None:
    recorded(tmp_path / "log")
    assert (tmp_path / "log").read_bytes() == b""


def test_a_full_disk_does_not_stop_the_container(tmp_path: Path) -> None:
    """R090."""
    path = tmp_path / "log"
    child = os.fork()
    if child == 0:
        try:
            import resource
            import signal

            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
            recorder = Recorder.start(str(path))
            for _ in range(100):
                os.write(1, b"x" * 10_000 + b"\n")
            recorder.release()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert path.stat().st_size == 1000


def test_a_line_that_was_cut_off_is_left_out() -> None:
    raw = b"T stdout F whole\nT stdout\n\nT stderr P part\nT std"
    assert list(entries(io.BytesIO(raw))) == [
        Entry("T", "stdout", b"whole\n"),
        Entry("T", "stderr", b"part"),
    ]


def test_following_goes_on_until_it_is_over(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"T stdout F one\nT stdo")
    asked = 0

    def is_over() -> bool:
        nonlocal asked
        asked += 1
        if asked == 2:
            with path.open("ab") as more:
                more.write(b"ut F two\n")
        return asked == 2

    with path.open("rb") as file:
        assert [entry.text for entry in entries(file, is_over=is_over)] == [b"one\n", b"two\n"]


def test_times_sort_as_text() -> None:
    assert format_time(0) == "1970-01-01T00:00:00.000000000Z"
    assert format_time(1_000_000_007) == "1970-01-01T00:00:01.000000007Z"
