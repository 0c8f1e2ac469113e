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


def clipped(text: str, width: int) -> str:
    """The text in so many characters: the end is left out."""
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"


def clipped_path(text: str, width: int) -> str:
    """A path in so many characters: the middle is left out, for both ends tell most."""
    if len(text) <= width:
        return text
    end = (width - 1) * 2 // 3
    return f"{text[: width - 1 - end]}…{text[len(text) - end :]}"


def share(part: int, whole: int) -> str:
    """A part in percent, which is never 0 or 100 unless it is."""
    if part in {0, whole}:
        return "100 %" if part else "0 %"
    percent = 100 * part / whole
    if percent < 1:
        return "<1 %"
    return f"{min(round(percent), 99)} %"
