"""What a person sees of the work on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import pyte
import pytest

from imgfetch.cli import bars, output, progress
from imgfetch.interfaces import Stage
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor

MIB = 1024 * 1024
FIRST, SECOND, THIRD = (
    Descriptor(mediatype.OCI_LAYER_GZIP, Descriptor.of(name, "").digest, size)
    for name, size in ((b"first", 40 * MIB), (b"second", 3 * MIB), (b"third", 2048))
)


class Terminal:
    """A terminal, with standard error of this process on it."""

    def __init__(self, columns: int, lines: int) -> None:
        self._controller, self._ours = pty.openpty()
        os.set_blocking(self._controller, False)
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.written = b""
        self.resize(columns, lines)

    def open(self) -> int:
        return os.dup(self._ours)

    def resize(self, columns: int, lines: int) -> None:
        """What a window manager does; lines wider than that are wrapped by most terminals."""
        self.lines()
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, size)

    def lines(self) -> list[str]:
        """What is on the screen, above the last line that has anything."""
        try:
            while block := os.read(self._controller, 65536):
                self.written += block
                self._stream.feed(block)
        except BlockingIOError:
            pass
        shown = [line.rstrip() for line in self.screen.display]
        while shown and not shown[-1]:
            shown.pop()
        return shown

    def close(self) -> None:
        os.close(self._controller)
        os.close(self._ours)


@pytest.fixture
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    made = Terminal(*getattr(request, "param", (80, 24)))
    with open(made.open(), "w", encoding="utf-8") as stream:
        # pytest puts its own in place of sys.stderr before each test.
        for module in (bars, output, progress):
            monkeypatch.setattr(module, "sys", SimpleNamespace(stderr=stream))
        monkeypatch.setenv("TERM", "xterm-256color")
        yield made
    made.close()


@dataclass
class Clock:
    """Stands still until a test moves it."""

    now: float = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopped = Clock()
    monkeypatch.setattr(bars, "time", stopped)
    return stopped


def matches(lines: list[str], *patterns: str) -> bool:
    """Whether each line is as its pattern says; layers are called 1, 2 and 3, and bars BAR."""
    names = {"1": FIRST.digest.short, "2": SECOND.digest.short, "3": THIRD.digest.short}
    wholes = [f"{names[pattern[0]]} +{pattern[2:]}" for pattern in patterns]
    return len(lines) == len(wholes) and all(
        re.fullmatch(whole.replace("BAR", "[━╸╺]+"), line)
        for whole, line in zip(wholes, lines, strict=True)
    )


def test_a_layer_has_a_line_with_its_bytes_and_speed(terminal: Terminal, clock: Clock) -> None:
    shown = progress.choose("auto", quiet=False)
    shown.update(FIRST, "fetching", 0)
    clock.now += 2
    shown.update(FIRST, "fetching", 10 * MIB)
    shown.update(SECOND, "waiting", 0)
    assert matches(
        terminal.lines(),
        "1 BAR  10.0 of 40.0 MiB  5.0 MiB/s",
        "2 BAR +3.0 MiB  waiting for another",
    )


def test_what_was_here_already_is_told_and_does_not_make_it_faster(
    terminal: Terminal, clock: Clock
) -> None:
    shown = progress.choose("tty", quiet=False)
    shown.update(THIRD, "present", THIRD.size)
    assert terminal.written == b""  # nothing is on its way
    shown.update(FIRST, "fetching", 30 * MIB)
    clock.now += 1
    shown.update(FIRST, "fetching", 32 * MIB)
    assert matches(
        terminal.lines(), "3 BAR +2.0 KiB  already here", "1 BAR  32.0 of 40.0 MiB  2.0 MiB/s"
    )
    clock.now += 1
    shown.update(FIRST, "fetching", 40 * MIB)
    assert matches(
        terminal.lines(), "3 BAR +2.0 KiB  already here", "1 BAR  40.0 of 40.0 MiB  verifying"
    )
    shown.update(FIRST, "done", 40 * MIB)
    assert matches(
        terminal.lines(),
        "3 BAR +2.0 KiB  already here",
        "1 BAR  40.0 MiB  fetched, 30.0 MiB resumed",
    )


def test_lines_take_the_place_of_those_before(terminal: Terminal, clock: Clock) -> None:
    shown = progress.choose("tty", quiet=False)
    stages: tuple[Stage, ...] = ("waiting", "fetching", "done", "applying", "applied")
    for layer in (FIRST, SECOND, THIRD):
        for stage in stages:
            clock.now += 1
            shown.update(layer, stage, layer.size)
            assert len(terminal.lines()) <= 3
    assert matches(
        terminal.lines(), *(f"{number} BAR +[0-9.]+ [KM]iB  unpacked" for number in (1, 2, 3))
    )
    assert terminal.screen.cursor.x == 0
    assert not terminal.screen.cursor.hidden


def test_a_layer_that_is_awaited_is_being_fetched_until_it_is_here(
    terminal: Terminal, clock: Clock
) -> None:
    shown = progress.choose("tty", quiet=False)
    shown.update(FIRST, "applying", 0)
    shown.update(FIRST, "fetching", 0)
    shown.update(FIRST, "applying", 0)
    clock.now += 1
    shown.update(FIRST, "fetching", 10 * MIB)
    assert matches(terminal.lines(), "1 BAR  10.0 of 40.0 MiB  10.0 MiB/s")
    shown.update(FIRST, "done", FIRST.size)
    assert matches(terminal.lines(), "1 BAR  40.0 MiB  unpacking")


@pytest.mark.usefixtures("clock")
def test_documents_have_no_lines(terminal: Terminal) -> None:
    shown = progress.choose("tty", quiet=False)
    shown.update(Descriptor.of(b"{}", mediatype.OCI_CONFIG), "fetching", 0)
    assert terminal.lines() == []


@pytest.mark.usefixtures("clock")
def test_a_warning_stays_above_the_lines(terminal: Terminal) -> None:
    shown = progress.choose("tty", quiet=False)
    shown.warn("first\x1b[2J")
    shown.update(FIRST, "fetching", 0)
    shown.warn("second")
    lines = terminal.lines()
    assert lines[:2] == ["imgfetch: warning: first\\x1b[2J", "imgfetch: warning: second"]
    assert matches(lines[2:], "1 BAR  0.0 of 40.0 MiB  0 B/s")


@pytest.mark.parametrize("terminal", [(40, 24)], indirect=True)
def test_a_narrow_terminal_has_room_for_a_bar(terminal: Terminal, clock: Clock) -> None:
    shown = progress.choose("tty", quiet=False)
    shown.update(FIRST, "fetching", 0)
    clock.now += 1
    shown.update(FIRST, "fetching", 10 * MIB)
    shown.update(SECOND, "done", SECOND.size)
    assert matches(terminal.lines(), "1 BAR +25 %", "2 BAR +fetched")
    assert max(map(len, terminal.lines())) <= 40


@pytest.mark.usefixtures("clock")
def test_a_terminal_that_becomes_narrower_is_cleared_of_wrapped_lines(terminal: Terminal) -> None:
    shown = progress.choose("tty", quiet=False)
    shown.update(FIRST, "fetching", 0)
    shown.update(SECOND, "fetching", 0)
    terminal.lines()
    before = len(terminal.written)
    terminal.resize(40, 24)
    shown.update(SECOND, "done", SECOND.size)
    terminal.lines()
    # Two lines of 80 columns, which take four by now.
    assert terminal.written[before:].startswith(b"\x1b[4A\r\x1b[J")


@pytest.mark.parametrize("terminal", [(80, 8)], indirect=True)
def test_what_is_being_done_comes_first_where_there_is_little_room(
    terminal: Terminal, clock: Clock
) -> None:
    shown = progress.choose("tty", quiet=False)
    layers = [
        Descriptor(mediatype.OCI_LAYER, Descriptor.of(bytes([number]), "").digest, MIB)
        for number in range(30)
    ]
    for number, layer in enumerate(layers):
        clock.now += 1
        shown.update(layer, "done" if number < 28 else "fetching", MIB // 2)
        terminal.lines()
    lines = terminal.lines()
    assert len(lines) == 7
    assert lines[-1] == "and 24 more"
    assert [line.split()[0] for line in lines[4:6]] == [layer.digest.short for layer in layers[28:]]


@pytest.mark.usefixtures("clock")
def test_colours_are_left_out_on_request(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    progress.choose("tty", quiet=False).update(FIRST, "done", FIRST.size)
    terminal.lines()
    assert not re.search(rb"\x1b\[[0-9;]*3[0-9]", terminal.written)


def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    progress.choose("auto", quiet=False).update(THIRD, "done", THIRD.size)
    assert terminal.lines() == [f"{THIRD.digest.short}: fetched (2.0 KiB)"]


def test_a_terminal_that_has_gone_is_no_failure(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = progress.choose("tty", quiet=False)
    shown.update(FIRST, "fetching", 0)
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(bars, "sys", SimpleNamespace(stderr=full))
        shown.update(FIRST, "done", FIRST.size)
        # What is left in the buffer would fail when the stream is closed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())
