"""What a runtime's log says about a container that did not start.

runc exits with 1 for a missing program, a directory, a wrong user and its own bugs
alike; only its message tells. The texts are those of runc 1.0 to 1.5 and crun 1.8 to 1.28.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from imgfetch.errors import CommandError, RuntimeFailedError
from imgfetch.fs.space import free

if TYPE_CHECKING:
    from pathlib import Path

_LOG_LIMIT = 1 << 20
_MESSAGE_LIMIT = 1000
_LITTLE = 64 << 10
_FEW = 16
# The failing step has to be execve(2) of the command: mounts fail with the same words.
_EXEC = r"exec(?:: \"| container process\b| `).*"
_NOT_FOUND = re.compile(
    rf"executable file .*not found|cannot find .* in \$PATH|{_EXEC}[Nn]o such file or directory"
)
_NOT_EXECUTABLE = re.compile(
    rf"{_EXEC}(?:[Pp]ermission denied|[Ii]s a directory|[Ee]xec format error)"
    r"|executable file .*(?:[Pp]ermission denied|not executable)"
)
_NOISE = re.compile(
    r"^(?:runc run failed: |container_linux\.go:\d+: |unable to start container process: )+"
)
_HINTS = (
    (
        re.compile("cgroups in hybrid mode not supported"),
        "crun does not work with hybrid cgroups: use --runtime runc",
    ),
    (re.compile("pivot_root.*[Ii]nvalid argument"), "the root file system is an initramfs"),
    (
        re.compile("seccomp.*not (?:supported|enabled|compiled)|without seccomp"),
        "this runtime was built without seccomp; --security-opt seccomp=unconfined does without",
    ),
)


def failure(runtime: str, log: Path, status: int) -> RuntimeFailedError:
    """The error for a runtime that ended before the container's process ran.

    Args:
        runtime: its name.
        log: its log, a JSON object a line.
        status: its exit status, or the negative number of the signal that ended it.
    """
    said = last_error(log)
    if said is None:
        how = f"status {status}" if status >= 0 else f"signal {-status}"
        message = f"{runtime} ended with {how} and said nothing"
        return RuntimeFailedError(message, hint=_shortage(log.parent))
    text = _NOISE.sub("", said)[:_MESSAGE_LIMIT]
    if _NOT_FOUND.search(said):
        return CommandError(f"{runtime}: {text}", status=127)
    if _NOT_EXECUTABLE.search(said):
        return CommandError(f"{runtime}: {text}", status=126)
    hint = next((hint for pattern, hint in _HINTS if pattern.search(said)), None)
    return RuntimeFailedError(f"{runtime}: {text}", hint=hint or _shortage(log.parent))


def _shortage(directory: Path) -> str | None:
    """What a runtime may have wanted: on a full disk it can't even say so."""
    room = free(f"{directory}")
    if room.bytes is not None and room.bytes < _LITTLE:
        return f"hardly any space is left on the file system of {directory}"
    if room.inodes is not None and room.inodes < _FEW:
        return f"hardly any inodes are left on the file system of {directory}"
    return None


def last_error(log: Path) -> str | None:
    """The last error in a log, in one line; None if there is none."""
    try:
        with log.open("rb") as file:
            raw = file.read(_LOG_LIMIT)
    except OSError:
        return None
    errors = []
    for line in raw.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("level") in {"error", "fatal", "panic"}:
            errors.append(str(entry.get("msg", "")))
    return " ".join(errors[-1].split()) if errors else None
