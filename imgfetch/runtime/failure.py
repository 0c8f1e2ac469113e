"""What a runtime's log says about a container that did not start.

runc exits with 1 for a missing program, a directory, a wrong user and its own bugs
alike; only its message tells. The texts are those of runc 1.0 to 1.5 and crun 1.8 to 1.28.
"""

from __future__ import annotations

from imgfetch.errors import CommandError, RuntimeFailedError
from imgfetch.fs.space import free
from imgfetch.lean import json, re
from imgfetch.lean.typing import TYPE_CHECKING

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
        return RuntimeFailedError(message, hint=_shortage(log.parent) or _hint(""))
    text = _NOISE.sub("", said)[:_MESSAGE_LIMIT]
    if _NOT_FOUND.search(said):
        return CommandError(f"{runtime}: {text}", status=127)
    if _NOT_EXECUTABLE.search(said):
        return CommandError(f"{runtime}: {text}", status=126)
    hint = _shortage(log.parent) or _hint(said)
    return RuntimeFailedError(f"{runtime}: {text}", hint=hint)


def _hint(said: str) -> str:
    """What to do about a runtime's error."""
    from imgfetch import remedies

    known = (
        ("cgroups in hybrid mode not supported", remedies.CRUN_ON_HYBRID),
        ("pivot_root.*[Ii]nvalid argument", remedies.INITRAMFS_ROOT),
        ("seccomp.*not (?:supported|enabled|compiled)|without seccomp", remedies.NO_SECCOMP),
        ("cgroup.*(?:[Pp]ermission denied|[Rr]ead-only file system)", remedies.NO_LIMITS),
        ("unmapped (?:user|group)", remedies.UNMAPPED_ID),
        ("apparmor", remedies.NO_APPARMOR),
    )
    return next((hint for pattern, hint in known if re.search(pattern, said)), remedies.DOCTOR)


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
