"""What every container gets that nobody asked for: docker's defaults, as tables.

Functions return new objects each time: a list that one run changes must not be the
next one's default (CVE-2020-14370 class).
"""

from __future__ import annotations

from imgfetch.lean.typing import Any, Final

Mount = dict[str, Any]

# crun 1.8 refuses anything later; every runtime takes this one.
OCI_VERSION: Final = "1.0.2"

UMASK: Final = 0o022
PIDS_LIMIT: Final = 2048

# moby's and podman's. Tools in a container have no use for these, and each has told
# something about the host (CVE-2018-10892, CVE-2020-8694, GHSA-6fw5-f8r9-fgfm).
MASKED_PATHS: Final = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS: Final = (
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
)

# Of a network namespace of its own: ping and low ports for everybody, as in docker.
NETWORK_SYSCTLS: Final = {
    "net.ipv4.ip_unprivileged_port_start": "0",
    "net.ipv4.ping_group_range": "0 2147483647",
}

TTY_GROUP: Final = 5

# What the runtime puts into every ``/dev`` itself: runtime-spec config-linux.md "Default
# Devices". Bound there too, runc opens the host's to make a file of it and gets ENXIO.
DEVICES: Final = frozenset(
    f"/dev/{name}"
    for name in ("null", "zero", "full", "random", "urandom", "tty", "console", "ptmx")
)


def proc() -> Mount:
    """A fresh ``/proc``."""
    return _mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev")


def bound(path: str, *options: str) -> Mount:
    """The caller's own ``/proc`` or ``/sys``, where the kernel refuses a fresh one."""
    return _mount(path, "bind", path, "rbind", "nosuid", "noexec", "nodev", *options)


def dev() -> Mount:
    """An empty ``/dev``, which the runtime fills."""
    return _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k")


def devpts(*, tty_group: bool) -> Mount:
    """Pseudo-terminals of its own; their group only where that id is mapped."""
    options = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
    if tty_group:
        options.append(f"gid={TTY_GROUP}")
    return _mount("/dev/pts", "devpts", "devpts", *options)


def shm(size: int) -> Mount:
    """Shared memory of its own."""
    options = ("nosuid", "noexec", "nodev", "mode=1777", f"size={size}")
    return _mount("/dev/shm", "tmpfs", "shm", *options)  # noqa: S108 - in the container


def mqueue() -> Mount:
    """POSIX message queues of its own."""
    return _mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev")


def sysfs(access: str) -> Mount:
    """``/sys``; needs a network namespace that belongs to the user namespace."""
    return _mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", access)


def cgroup(access: str) -> Mount:
    """The container's own cgroup (CVE-2023-25809: never writable unless privileged)."""
    options = ("nosuid", "noexec", "nodev", "relatime", access)
    return _mount("/sys/fs/cgroup", "cgroup", "cgroup", *options)


def _mount(destination: str, kind: str, source: str, *options: str) -> Mount:
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}
