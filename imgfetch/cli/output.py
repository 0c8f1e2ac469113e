"""What goes to the terminal, and in which form.

Names, labels and error bodies come from images and registries: control characters
in them are escaped, or they could retitle the terminal, hide lines or forge output
(CVE class of terminal escape injection).
"""

from __future__ import annotations

import errno
import os
import sys

from imgfetch.errors import NoSpaceError, UsageError
from imgfetch.lean.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imgfetch.errors import ImgfetchError

_KIB = 1024
# Right-to-left and isolate marks: they reorder what a person reads.
_BIDI = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F)))


def safe(text: str) -> str:
    """The text with everything escaped that a terminal would act upon."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char
        if char.isprintable() and char not in _BIDI
        else char.encode("unicode_escape", "surrogatepass").decode("ascii")
        for char in text
    )


def _write(stream: Any, text: str) -> None:  # noqa: ANN401 - sys.stdout and its replacements
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def _write_result(text: str) -> None:
    try:
        _write(sys.stdout, text)
        sys.stdout.flush()
    except OSError as error:
        # What stays in the buffer would fail once more at the end of the process.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        if isinstance(error, BrokenPipeError):
            # Without its number: click ends the process with 1 where it finds EPIPE.
            raise BrokenPipeError from error
        message = f"standard output can't be written: {error.strerror}"
        failure = NoSpaceError if error.errno in {errno.ENOSPC, errno.EDQUOT} else UsageError
        raise failure(message) from error


def result(text: str) -> None:
    """One line of the result, on stdout."""
    _write_result(f"{safe(text)}\n")


def raw_json(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """A JSON document on stdout; JSON escapes control characters by itself."""
    import json

    _write_result(json.dumps(value, indent=2, ensure_ascii=True) + "\n")


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout, columns two spaces apart."""
    lines = [list(headings), *([safe(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ""
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        text += "  ".join(cells).rstrip() + "\n"
    _write_result(text)


def drawn(lines: Iterable[str]) -> None:
    """Lines on stdout as they are: made of `safe` text and of our own escape sequences."""
    _write_result("".join(f"{line}\n" for line in lines))


def message(text: str) -> None:
    """A line for people, on stderr."""
    try:
        _write(sys.stderr, f"{safe(text)}\n")
        sys.stderr.flush()
    except OSError:
        # Nobody reads stderr any more; that is no reason to fail.
        return


def warning(text: str) -> None:
    """A warning, on stderr."""
    message(f"imgfetch: warning: {text}")


def error(failure: ImgfetchError) -> None:
    """An error in its one form: what and on what, expected and actual, next step."""
    first, *rest = failure.lines()
    message(f"imgfetch: {first}")
    for line in rest:
        message(f"  {line}")


def error_event(failure: ImgfetchError, status: int) -> None:
    """An error as a JSON object: ``event``, ``kind``, ``status``, and what `error` prints."""
    import json

    event = {
        "event": "error",
        "kind": type(failure).__name__,
        "status": status,
        "message": failure.message,
        "expected": failure.expected,
        "actual": failure.actual,
        "hint": failure.hint,
    }
    message(json.dumps(event))


def human_size(size: int) -> str:
    """A size as docker prints it, in units of 1024."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < _KIB:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= _KIB
    return f"{value:.1f} TiB"
