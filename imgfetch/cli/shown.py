"""How paths and commands from images are shown, to people and as JSON.

Paths in images are bytes, and a maker of images may write whatever into a history: what
comes from here is text, but not safe for a terminal before `imgfetch.cli.output` has
written it.
"""

from __future__ import annotations

from typing import Any

_SHELL = "/bin/sh -c "
_NOP = "#(nop) "
_BUILDKIT = "# buildkit"


def path_text(path: bytes) -> str:
    r"""A path for people: from the root, with ``\xNN`` for what is not UTF-8."""
    return "/" + path.decode("utf-8", "backslashreplace")


def path_json(path: bytes) -> dict[str, Any]:
    """A path as fields of a JSON object; ``rawPath`` is there when text can't say all."""
    fields: dict[str, Any] = {"path": path_text(path)}
    try:
        path.decode("utf-8")
    except UnicodeDecodeError:
        import base64

        fields["rawPath"] = base64.b64encode(b"/" + path).decode("ascii")
    return fields


def command_text(created_by: str, comment: str) -> str:
    """What a step did, in one line, as its maker would have written it in a Dockerfile."""
    text = " ".join((created_by or comment).split())
    text = text.removesuffix(_BUILDKIT).rstrip()
    instruction, _, rest = text.partition(" ")
    if instruction == "RUN":
        return f"RUN {rest.removeprefix(_SHELL)}"
    if text.startswith(_SHELL):
        command = text.removeprefix(_SHELL)
        return command.removeprefix(_NOP).lstrip() if command.startswith(_NOP) else f"RUN {command}"
    return text


def columns(text: str) -> int:
    """How many columns a text takes on a terminal."""
    if text.isascii():
        return len(text)
    # Its tables are large, and most names are ASCII.
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(char) else 1 + (east_asian_width(char) in "WF") for char in text)


def clipped(text: str, width: int) -> str:
    """The text in so many columns: the end is left out."""
    return text if columns(text) <= width else f"{_start(text, width - 1)}…"


def clipped_path(text: str, width: int) -> str:
    """A path in so many columns: the middle is left out, for both ends tell most."""
    if columns(text) <= width:
        return text
    end = _start(text[::-1], (width - 1) * 2 // 3)[::-1]
    return f"{_start(text, width - 1 - columns(end))}…{end}"


def _start(text: str, width: int) -> str:
    taken = 0
    for at, char in enumerate(text):
        taken += columns(char)
        if taken > width:
            return text[:at]
    return text


def share(part: int, whole: int) -> str:
    """A part in percent, which is never 0 or 100 unless it is."""
    if part in {0, whole}:
        return "100 %" if part else "0 %"
    percent = 100 * part / whole
    if percent < 1:
        return "<1 %"
    return f"{min(round(percent), 99)} %"
