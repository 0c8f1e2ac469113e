"""What ``doctor`` looks at in this room: kernel, control groups, system call filters, init."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from imgfetch.bundle.init import find_init
from imgfetch.bundle.probe import NO_CGROUPS, find_cgroups
from imgfetch.errors import InvalidOptionError
from imgfetch.findings import Finding, missing, of_error, ok, warning
from imgfetch.oci.platform import Platform

if TYPE_CHECKING:
    from imgfetch.bundle.probe import Cgroups
    from imgfetch.fs.idmap import IdMapping

# The first with overlays in user namespaces.
_NEW_ENOUGH: Final = (5, 11)
_CGROUPS: Final = "/sys/fs/cgroup"


def kernel(release: str, machine: str, *, rootless: bool) -> Finding:
    """Whether the kernel has what runs rely on.

    Args:
        release: as in uname(2).
        machine: as in uname(2).
        rootless: whether the caller is an ordinary user.
    """
    said = f"Linux {release}, {Platform.from_machine(machine).architecture}"
    version = re.match(r"(\d+)\.(\d+)", release)
    if rootless and version and tuple(map(int, version.groups())) < _NEW_ENOUGH:
        found = f"{said}: overlays are for root only before 5.11"
        return warning("kernel", found, "use a newer kernel, or install fuse-overlayfs")
    return ok("kernel", said)


def cgroups(
    ids: IdMapping, *, root: bool, mount: str = _CGROUPS, own: str = "/proc/self/cgroup"
) -> Finding:
    """Which limits a run can have.

    Args:
        ids: of this process's user namespace.
        root: whether the caller is root.
        mount: where cgroups are mounted.
        own: the cgroups of this process, as in ``/proc/self/cgroup``.
    """
    check = "cgroups"
    kind = _kind(mount)
    if kind is None:
        return warning(check, f"none at {mount}: --memory, --cpus and --pids-limit are refused")
    found = find_cgroups(ids, mount) if root else NO_CGROUPS
    if found.controllers:
        return ok(check, f"{kind}; limits: {', '.join(sorted(found.controllers))}")
    return warning(check, *_unusable(kind, found, mount, own, root=root))


def _unusable(
    kind: str, found: Cgroups, mount: str, own: str, *, root: bool
) -> tuple[str, str | None]:
    said = f"{kind}; --memory, --cpus and --pids-limit are refused"
    if root:
        if found.version is None and not os.access(mount, os.W_OK):
            return f"{said}: {mount} can't be written to", None
        return f"{said}: this is not the root of the control groups", None
    delegated = _delegated(mount, own)
    if delegated:
        return f"{said}; delegated to you are {delegated}", "limits can be set around imgfetch"
    return f"{said} to ordinary users", "set limits around imgfetch (systemd-run --user --scope -p)"


def _kind(mount: str) -> str | None:
    if os.path.exists(f"{mount}/cgroup.controllers"):
        return "v2"
    try:
        names = os.listdir(mount)
    except OSError:
        return None
    if any(os.path.exists(f"{mount}/{name}/cgroup.controllers") for name in names):
        return "hybrid (v1, with v2 beside it)"
    return "v1" if names else None


def _delegated(mount: str, own: str) -> str:
    """The controllers of this process's cgroup, if the caller may make more in it."""
    try:
        with open(own, encoding="utf-8") as lines:
            path = next(line.strip()[3:] for line in lines if line.startswith("0::"))
        directory = f"{mount}{path}"
        if not os.access(directory, os.W_OK):
            return ""
        with open(f"{directory}/cgroup.controllers", encoding="ascii") as file:
            return ", ".join(file.read().split())
    except (OSError, StopIteration):
        return ""


def seccomp(actions: str = "/proc/sys/kernel/seccomp/actions_avail") -> Finding:
    """Whether the kernel can filter system calls; whether the runtime can, it says itself."""
    if os.path.exists(actions):
        return ok("seccomp", "the kernel filters system calls")
    found = "the kernel does not say that it can filter system calls"
    return warning("seccomp", found, "the kernel needs CONFIG_SECCOMP_FILTER")


def init(search_path: str) -> Finding:
    """Whether ``--init`` can be had."""
    architecture = Platform.from_machine(os.uname().machine).architecture
    try:
        return ok("init", find_init(search_path, architecture))
    except InvalidOptionError as error:
        return of_error("init", error)


def terminals() -> Finding:
    """Whether pseudo-terminals can be made, for ``-t``."""
    try:
        for descriptor in os.openpty():
            os.close(descriptor)
    except OSError as error:
        return missing(
            "terminals", f"none can be made: {error.strerror}", "mount -t devpts devpts /dev/pts"
        )
    return ok("terminals", "can be made")
