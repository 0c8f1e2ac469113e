"""Bundles for a runtime: Debian's static busybox and a specification written by hand."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.tools import require_tool

_CAPABILITIES = ["CAP_CHOWN", "CAP_KILL", "CAP_SETGID", "CAP_SETUID"]


def write_bundle(
    directory: Path,
    command: Sequence[str],
    *,
    tty: bool = False,
    cgroup: str | None = None,
    bound_proc: bool = False,
    changes: Mapping[str, Any] | None = None,
) -> Path:
    """Writes a bundle whose root filesystem has busybox's applets in ``/bin``.

    Args:
        directory: an existing directory.
        command: what runs.
        tty: whether it has a pseudo-terminal.
        cgroup: absolute path, None to leave it to the runtime.
        bound_proc: whether ``/proc`` is the caller's.
        changes: fields of the specification's ``process`` to add or to replace.
    """
    root = directory / "rootfs"
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp"):
        (root / name).mkdir(parents=True)
    shutil.copy(require_tool("busybox"), root / "bin/busybox")
    for applet in (
        "sh",
        "cat",
        "sleep",
        "true",
        "kill",
        "ls",
        "env",
        "head",
        "ps",
        "id",
        "stty",
        "grep",
    ):
        (root / "bin" / applet).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    sets = dict.fromkeys(("bounding", "effective", "permitted"), _CAPABILITIES)
    linux: dict[str, Any] = {
        "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "network")]
    }
    if cgroup is not None:
        linux["cgroupsPath"] = cgroup
    spec = {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": tty,
            "user": {"uid": 0, "gid": 0},
            "args": list(command),
            "env": ["PATH=/bin", "HOME=/"],
            "cwd": "/",
            "capabilities": sets,
            **(changes or {}),
        },
        "root": {"path": "rootfs"},
        "mounts": [
            {"destination": "/proc", "type": "bind", "source": "/proc", "options": ["rbind"]}
            if bound_proc
            else {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid"]},
            {
                "destination": "/dev/pts",
                "type": "devpts",
                "source": "devpts",
                "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
            },
        ],
        "linux": linux,
    }
    (directory / "config.json").write_text(json.dumps(spec))
    return directory


def give(directory: Path, uid: int, gid: int) -> None:
    """Makes a whole tree somebody's."""
    for path in [directory, *directory.rglob("*")]:
        os.chown(path, uid, gid, follow_symlinks=False)
