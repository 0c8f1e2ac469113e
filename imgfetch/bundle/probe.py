"""The machine's side of a specification: fills `HostFacts` by asking the kernel.

The only module of this room besides `imgfetch.bundle.targets` and
`imgfetch.bundle.directory` that touches the system; it changes nothing.
"""

from __future__ import annotations

import os
import stat

from imgfetch.bundle.capabilities import CAPABILITIES
from imgfetch.bundle.host import DeviceNode, HostFacts
from imgfetch.lean.typing import TYPE_CHECKING, Final, Literal, NamedTuple
from imgfetch.oci.platform import Platform

if TYPE_CHECKING:
    from imgfetch.fs.idmap import IdMapping

# What a bind mount in a user namespace can't drop: mount_namespaces(7), "locked".
_LOCKED_FLAGS: Final = (
    (os.ST_RDONLY, "ro"),
    (os.ST_NOSUID, "nosuid"),
    (os.ST_NODEV, "nodev"),
    (os.ST_NOEXEC, "noexec"),
)
_CAP_SYS_RESOURCE: Final = CAPABILITIES.index("CAP_SYS_RESOURCE")


class Cgroups(NamedTuple):
    """What can be done with cgroups.

    Attributes:
        version: None where none can be made.
        controllers: for limits.
    """

    version: Literal[1, 2] | None
    controllers: frozenset[str]


NO_CGROUPS: Final = Cgroups(None, frozenset())


def host_facts(
    ids: IdMapping,
    cgroups: Cgroups,
    *,
    proc_mountable: bool = True,
    sysfs_mountable: bool = True,
    recursive_read_only: bool = False,
    privileged: bool = False,
) -> HostFacts:
    """What the machine is like, seen from where the runtime is going to be started.

    Args:
        ids: of the user namespace the caller is in.
        cgroups: what can be done with them, see `find_cgroups`.
        proc_mountable: see `HostFacts`.
        sysfs_mountable: see `HostFacts`.
        recursive_read_only: see `HostFacts`.
        privileged: whether the nodes below ``/dev`` are wanted.
    """
    uname = os.uname()
    status = _process_status()
    return HostFacts(
        kernel=uname.release,
        architecture=Platform.from_machine(uname.machine).architecture,
        capabilities=_capability_names(int(status["CapBnd"], 16)),
        ids=ids,
        rootless=not ids.initial,
        proc_mountable=proc_mountable,
        sysfs_mountable=sysfs_mountable,
        cgroup_version=cgroups.version,
        controllers=cgroups.controllers,
        rlimits=_rlimits(),
        may_raise_limits=ids.initial and bool(int(status["CapEff"], 16) >> _CAP_SYS_RESOURCE & 1),
        oom_score_adj=int(_read("/proc/self/oom_score_adj") or 0),
        apparmor_profiles=_apparmor_profiles(),
        hostname=uname.nodename,
        recursive_read_only=recursive_read_only,
        host_devices=_host_devices() if privileged else (),
        find_device=find_device,
        locked_flags=locked_flags,
    )


def find_cgroups(ids: IdMapping, mount: str = "/sys/fs/cgroup") -> Cgroups:
    """What root can do with cgroups; in a user namespace nothing, short of delegation."""
    if not ids.initial:
        return NO_CGROUPS
    available = _read(f"{mount}/cgroup.controllers")
    if available is not None:
        # A cgroup.type says that this is not the real root: making a child with
        # controllers turns a cgroup that has processes "domain threaded" for good.
        usable = os.access(mount, os.W_OK) and not os.path.exists(f"{mount}/cgroup.type")
        return Cgroups(2, frozenset(available.split())) if usable else NO_CGROUPS
    names = ("memory", "cpu", "cpuset", "pids", "devices")
    found = frozenset(name for name in names if os.access(f"{mount}/{name}", os.W_OK))
    return Cgroups(1, found) if found else NO_CGROUPS


def locked_flags(path: str) -> tuple[str, ...]:
    """Options of the mount that a path is on, of those that are locked in user namespaces."""
    try:
        flags = os.statvfs(path).f_flag
    except OSError:
        return ()  # a missing source is reported where its target is made
    return tuple(name for flag, name in _LOCKED_FLAGS if flags & flag)


def find_device(path: str) -> DeviceNode | None:
    """The device node at a path, None when there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    kind: Literal["c", "b"]
    if stat.S_ISCHR(found.st_mode):
        kind = "c"
    elif stat.S_ISBLK(found.st_mode):
        kind = "b"
    else:
        return None
    return DeviceNode(
        path=path,
        kind=kind,
        major=os.major(found.st_rdev),
        minor=os.minor(found.st_rdev),
        mode=found.st_mode & 0o777,
        uid=found.st_uid,
        gid=found.st_gid,
    )


def emulates_other_formats(directory: str = "/proc/sys/fs/binfmt_misc") -> bool:
    """Whether the kernel has handlers for programs of other processors (binfmt_misc)."""
    try:
        return not {"register", "status"}.issuperset(os.listdir(directory))
    except OSError:
        return False


def _process_status() -> dict[str, str]:
    pairs = (line.partition(":") for line in (_read("/proc/self/status") or "").splitlines())
    return {"CapBnd": "0", "CapEff": "0", **{key: value.strip() for key, _, value in pairs}}


def _capability_names(bits: int) -> frozenset[str]:
    return frozenset(name for number, name in enumerate(CAPABILITIES) if bits >> number & 1)


def _rlimits() -> dict[str, tuple[int, int]]:
    import resource

    names = [name for name in dir(resource) if name.startswith("RLIMIT_")]
    return {name: resource.getrlimit(getattr(resource, name)) for name in names}


def _apparmor_profiles() -> frozenset[str] | None:
    if (_read("/sys/module/apparmor/parameters/enabled") or "").strip() != "Y":
        return None
    lines = (_read("/sys/kernel/security/apparmor/profiles") or "").splitlines()
    return frozenset(line.rpartition(" (")[0] for line in lines)


def _host_devices() -> tuple[DeviceNode, ...]:
    """All nodes below ``/dev`` but terminals and what the runtime makes itself."""
    skipped = {"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console"}
    nodes = []
    for directory, names, files in os.walk("/dev"):
        if directory == "/dev":
            names[:] = [name for name in names if name not in skipped]
            files = [name for name in files if name not in skipped]  # noqa: PLW2901 - of this directory only
        paths = (os.path.join(directory, name) for name in files)
        nodes += [find_device(path) for path in paths if not os.path.islink(path)]
    return tuple(node for node in nodes if node is not None)


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None
