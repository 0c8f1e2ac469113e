"""What the specification of a container depends on besides the image and the options.

`HostFacts` is about the machine, `Place` about this one container. Callers find
these out; nothing in this room asks the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imgfetch.bundle.options import IdMap

# Every id a kernel knows: (uid_t)-1 is no id.
_ALL_IDS = ((0, 2**32 - 1),)


@dataclass(frozen=True, slots=True)
class MappedIds:
    """Which user or group ids exist inside the user namespace of the container.

    Attributes:
        ranges: (first id, how many).
    """

    ranges: tuple[tuple[int, int], ...] = _ALL_IDS

    def __contains__(self, identity: int) -> bool:
        return any(first <= identity < first + size for first, size in self.ranges)

    @property
    def single(self) -> bool:
        """Whether there is one id only."""
        return sum(size for _, size in self.ranges) == 1


@dataclass(frozen=True, slots=True)
class UserNamespace:
    """A user namespace that the *runtime* makes: bundles that an ordinary user runs by hand.

    Attributes:
        uid_maps: lines of uid_map.
        gid_maps: lines of gid_map.
    """

    uid_maps: tuple[IdMap, ...]
    gid_maps: tuple[IdMap, ...]


def _no_locked_flags(_source: str) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The machine, as seen from where the runtime is going to run.

    Attributes:
        kernel: release, as in uname(2).
        architecture: as Go names it, e.g. ``amd64``.
        capabilities: ``CAP_…`` of our bounding set there.
        rootless: whether that is in a user namespace other than the machine's first.
        uids: the user ids that exist there.
        gids: the group ids that exist there.
        proc_mountable: False where the kernel refuses a fresh ``/proc`` (a pod): the
            caller's is bound, and nothing in it can be masked.
        sysfs_mountable: the same for ``/sys`` with a network namespace of one's own.
        cgroup_version: 1 (hybrid too) or 2; None where none can be used.
        controllers: cgroup controllers that can be used for limits.
        rlimits: (soft, hard) of the calling process by ``RLIMIT_…`` name; -1 is unlimited.
        may_raise_limits: CAP_SYS_RESOURCE in the first user namespace.
        oom_score_adj: of the calling process.
        apparmor_profiles: those loaded; None where AppArmor is off.
        selinux: whether SELinux is on.
        devices: major and minor number and type (``c`` or ``b``) by path, of those asked for.
        locked_flags: mount options of the file system a path is on which a mount in
            a user namespace has to keep (``nosuid``, ``nodev``, ``noexec``, ``ro`` …).
        hostname: of the machine.
        user_namespace: for the runtime to make; None when it is there already.
        recursive_read_only: whether the runtime knows the mount option ``rro``.
    """

    kernel: str
    architecture: str
    capabilities: frozenset[str]
    rootless: bool = False
    uids: MappedIds = MappedIds()
    gids: MappedIds = MappedIds()
    proc_mountable: bool = True
    sysfs_mountable: bool = True
    cgroup_version: Literal[1, 2] | None = None
    controllers: frozenset[str] = frozenset()
    rlimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    may_raise_limits: bool = False
    oom_score_adj: int = 0
    apparmor_profiles: frozenset[str] | None = None
    selinux: bool = False
    devices: Mapping[str, DeviceNumbers] = field(default_factory=dict)
    locked_flags: Callable[[str], tuple[str, ...]] = _no_locked_flags
    hostname: str = "localhost"
    user_namespace: UserNamespace | None = None
    recursive_read_only: bool = False


@dataclass(frozen=True, slots=True)
class DeviceNumbers:
    """A device node.

    Attributes:
        kind: ``c`` or ``b``.
        major: number of the driver.
        minor: number of the device.
        mode: permission bits.
    """

    kind: Literal["c", "b"]
    major: int
    minor: int
    mode: int = 0o666


@dataclass(frozen=True, slots=True)
class Place:
    """Where one container lives on the host.

    Attributes:
        container_id: its id; the first twelve characters are its default host name.
        rootfs: path of the root filesystem; relative to the bundle or absolute.
        network: decided from ``auto``.
        network_namespace: path of one made before; None to have the runtime make it, or
            with ``inherit_network`` to take the caller's.
        inherit_network: whether the runtime is started inside the container's own
            network namespace already.
        etc_files: file on the host by path in the container, bound over it
            (``/etc/hosts``, ``/etc/hostname``, ``/etc/resolv.conf``).
        init: path of a static init on the host, for ``--init``.
        cgroup_path: absolute; None to leave it to the runtime.
    """

    container_id: str
    rootfs: str = "rootfs"
    network: Literal["private", "host", "none"] = "host"
    network_namespace: str | None = None
    inherit_network: bool = False
    etc_files: Mapping[str, str] = field(default_factory=dict)
    init: str | None = None
    cgroup_path: str | None = None
