"""What the specification of a container depends on besides the image and the options.

`HostFacts` is about the machine, `Place` about this one container. Callers find
these out (`imgfetch.bundle.probe` for the first); nothing here asks the kernel.
"""

from __future__ import annotations

from imgfetch.lean.dataclasses import dataclass, field
from imgfetch.lean.typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imgfetch.fs.idmap import IdMapping

Network = Literal["private", "host", "none"]


class DeviceNode(NamedTuple):
    """A device node of the host.

    Attributes:
        path: absolute.
        kind: ``c`` or ``b``.
        major: number of the driver.
        minor: number of the device.
        mode: permission bits.
        uid: of the owner.
        gid: of the owner.
    """

    path: str
    kind: Literal["c", "b"]
    major: int
    minor: int
    mode: int = 0o666
    uid: int = 0
    gid: int = 0


def _no_device(_path: str) -> DeviceNode | None:
    return None


def _no_locked_flags(_path: str) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The machine, as seen from where the runtime is going to run.

    Attributes:
        kernel: release, as in uname(2).
        architecture: as Go names it, e.g. ``amd64``.
        capabilities: ``CAP_…`` of the bounding set there.
        ids: user and group ids that exist there.
        rootless: whether that is in a user namespace other than the machine's first.
        user_namespace: one for the runtime to make, for a bundle that an ordinary user
            runs by hand; None when the runtime is started in the right one.
        proc_mountable: False where the kernel refuses a fresh ``/proc`` (a pod): the
            caller's is bound, and nothing in it can be masked.
        sysfs_mountable: the same for ``/sys`` with a network namespace of one's own.
        cgroup_version: 1 (hybrid too) or 2; None where no cgroup can be made.
        controllers: of cgroups, those that can be used for limits.
        rlimits: (soft, hard) of the calling process by ``RLIMIT_…`` name; -1 is unlimited.
        may_raise_limits: CAP_SYS_RESOURCE in the machine's first user namespace.
        oom_score_adj: of the calling process.
        apparmor_profiles: those loaded; None where AppArmor is off.
        hostname: of the machine.
        recursive_read_only: whether the runtime knows the mount option ``rro``.
        host_devices: all nodes below ``/dev``, for ``--privileged``.
        find_device: the node behind a path, None when there is none.
        locked_flags: options of the mount that a path is on (``nosuid``, ``nodev``,
            ``noexec`` …), which a bind mount in a user namespace can't drop.
    """

    kernel: str
    architecture: str
    capabilities: frozenset[str]
    ids: IdMapping
    rootless: bool = False
    user_namespace: IdMapping | None = None
    proc_mountable: bool = True
    sysfs_mountable: bool = True
    cgroup_version: Literal[1, 2] | None = None
    controllers: frozenset[str] = frozenset()
    rlimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    may_raise_limits: bool = False
    oom_score_adj: int = 0
    apparmor_profiles: frozenset[str] | None = None
    hostname: str = "localhost"
    recursive_read_only: bool = False
    host_devices: tuple[DeviceNode, ...] = ()
    find_device: Callable[[str], DeviceNode | None] = _no_device
    locked_flags: Callable[[str], tuple[str, ...]] = _no_locked_flags

    @property
    def container_ids(self) -> IdMapping:
        """The ids that the container's process can have."""
        return self.user_namespace or self.ids

    @property
    def in_user_namespace(self) -> bool:
        """Whether the container ends up in a user namespace other than the first."""
        return self.rootless or self.user_namespace is not None


@dataclass(frozen=True, slots=True)
class Place:
    """Where one container lives on the host.

    Attributes:
        container_id: its id; the first twelve characters are its default host name.
        rootfs: path of the root filesystem, absolute or relative to the bundle.
        network: decided from ``auto``.
        inherit_network: whether the runtime is started inside the container's own
            network namespace already, so that it must not make another one.
        etc_files: file on the host by path in the container, bound over it
            (``/etc/hosts``, ``/etc/hostname``, ``/etc/resolv.conf``).
        init: path of a static init on the host, for ``--init``.
        cgroup_path: absolute; None to leave it to the runtime.
    """

    container_id: str
    rootfs: str = "rootfs"
    network: Network = "host"
    inherit_network: bool = False
    etc_files: Mapping[str, str] = field(default_factory=dict)
    init: str | None = None
    cgroup_path: str | None = None
