"""Control groups that a killed runtime has left: empty directories, in each hierarchy."""

from __future__ import annotations

import contextlib
import json
import os

from imgfetch.runtime.layout import CONFIG

_MOUNT = "/sys/fs/cgroup"


def remove_leftover(bundle: str, container_id: str, mount: str = _MOUNT) -> None:
    """Remove the cgroups of a container that has no processes any more.

    The kernel removes none that has processes in it. Only the container's own is
    touched: one whose path does not end with its id is somebody else's.

    Args:
        bundle: directory with the container's config.json.
        container_id: its id.
        mount: where cgroups are mounted.
    """
    path = _cgroups_path(f"{bundle}/{CONFIG}")
    if path is None or not path.startswith("/") or os.path.basename(path) != container_id:
        return
    try:
        hierarchies = os.listdir(mount)
    except OSError:
        return
    # cgroup v1 has a hierarchy per controller, and v2 the mount itself.
    for base in (mount, *(f"{mount}/{name}" for name in hierarchies)):
        for directory, _, _ in os.walk(f"{base}{os.path.normpath(path)}", topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(directory)


def _cgroups_path(config: str) -> str | None:
    try:
        with open(config, encoding="utf-8") as file:
            path = json.load(file)["linux"]["cgroupsPath"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return path if isinstance(path, str) else None
