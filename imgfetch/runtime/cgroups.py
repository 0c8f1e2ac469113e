"""Control groups that a killed runtime has left: empty directories, in each hierarchy."""

from __future__ import annotations

import errno
import os
import time

from imgfetch.lean import json
from imgfetch.runtime.layout import CONFIG

_MOUNT = "/sys/fs/cgroup"
# Killed processes take a moment to end.
_PATIENCE = 1.0
_PAUSE = 0.01


def remove_leftover(bundle: str, container_id: str, mount: str = _MOUNT) -> bool:
    """Remove the cgroups of a container whose processes have ended, or are just ending.

    The kernel removes none that has processes in it. Only the container's own is
    touched: one whose path does not end with its id is somebody else's.

    Args:
        bundle: directory with the container's config.json.
        container_id: its id.
        mount: where cgroups are mounted.

    Returns:
        False where there still are processes after a while.
    """
    path = _cgroups_path(f"{bundle}/{CONFIG}")
    if path is None or not path.startswith("/") or os.path.basename(path) != container_id:
        return True
    try:
        hierarchies = os.listdir(mount)
    except OSError:
        return True
    # cgroup v1 has a hierarchy per controller, and v2 the mount itself.
    bases = [mount, *(f"{mount}/{name}" for name in hierarchies)]
    deadline = time.monotonic() + _PATIENCE
    while not all(_remove(f"{base}{os.path.normpath(path)}") for base in bases):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True


def oom_kills(bundle: str, container_id: str, mount: str = _MOUNT) -> int:
    """How many processes of a container the kernel has killed for want of memory.

    Args:
        bundle: directory with the container's config.json.
        container_id: its id.
        mount: where cgroups are mounted.
    """
    path = _cgroups_path(f"{bundle}/{CONFIG}")
    if path is None or os.path.basename(path) != container_id:
        return 0
    # cgroup v1 and v2: lines of a name and a number.
    for file in (f"memory{path}/memory.oom_control", f"{path.lstrip('/')}/memory.events"):
        try:
            with open(f"{mount}/{file}", encoding="ascii") as stream:
                words = dict(line.split() for line in stream)
        except OSError:
            continue
        return int(words.get("oom_kill", 0))
    return 0


def _remove(path: str) -> bool:
    """Remove a cgroup with those in it; False where it has processes."""
    for directory, _, _ in os.walk(path, topdown=False):
        try:
            os.rmdir(directory)
        except OSError as error:
            if error.errno == errno.EBUSY:
                return False
    return True


def _cgroups_path(config: str) -> str | None:
    try:
        with open(config, encoding="utf-8") as file:
            path = json.load(file)["linux"]["cgroupsPath"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return path if isinstance(path, str) else None
