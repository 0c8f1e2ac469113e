"""The options of a run as values, in groups that are passed on only where they are needed.

Owns the types and their defaults, which are docker's unless said; text becomes these
values in `imgfetch.bundle.mounts`, `imgfetch.bundle.environment` and
`imgfetch.bundle.grammar`. How a run is supervised (detaching, timeouts, the runtime's
name) is no business of the bundle and not here.

Small values are named tuples: a data class costs a third of a millisecond when it is
defined, and every run defines all of these.
"""

from __future__ import annotations

from imgfetch.lean.dataclasses import dataclass, field
from imgfetch.lean.typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgfetch.fs.idmap import IdRange

Propagation = Literal["private", "rprivate", "slave", "rslave"]
Scope = Literal["private", "host"]


class BindMount(NamedTuple):
    """A file or directory of the host.

    Attributes:
        source: absolute path on the host.
        destination: absolute path in the container, normalised.
        read_only: whether writing is refused.
        recursive: whether mounts below the source come along.
        propagation: of mounts made later.
    """

    source: str
    destination: str
    read_only: bool = False
    recursive: bool = True
    propagation: Propagation = "rprivate"


class TmpfsMount(NamedTuple):
    """An empty file system in memory.

    Attributes:
        destination: absolute path in the container, normalised.
        options: of the mount, e.g. ``noexec`` or ``size=64m``.
    """

    destination: str
    options: tuple[str, ...] = ("nosuid", "nodev", "noexec")


class VolumeMount(NamedTuple):
    """A directory that the store keeps; becomes a `BindMount` before the bundle is made.

    Attributes:
        name: None for one that lives as long as the run.
        destination: absolute path in the container, normalised.
        read_only: whether writing is refused.
    """

    name: str | None
    destination: str
    read_only: bool = False


class ImageMount(NamedTuple):
    """Another image's root filesystem; becomes a `BindMount` before the bundle is made.

    Attributes:
        reference: as written.
        destination: absolute path in the container, normalised.
    """

    reference: str
    destination: str


Mount = BindMount | TmpfsMount | VolumeMount | ImageMount


class Secret(NamedTuple):
    """A file for the container that is no part of any image.

    Attributes:
        source: absolute path on the host.
        target: absolute path in the container.
    """

    source: str
    target: str


class Device(NamedTuple):
    """A device node of the host.

    Attributes:
        source: absolute path on the host.
        target: absolute path in the container.
        access: letters of ``rwm`` for the device cgroup.
    """

    source: str
    target: str
    access: str = "rwm"


class Ulimit(NamedTuple):
    """A resource limit.

    Attributes:
        name: as in setrlimit(2), e.g. ``RLIMIT_NOFILE``.
        soft: -1 for unlimited.
        hard: -1 for unlimited.
    """

    name: str
    soft: int
    hard: int


class PublishedPort(NamedTuple):
    """A port of the host that leads into the container.

    Attributes:
        address: on the host; "" for all.
        host_port: 0 to let the system choose.
        container_port: in the container.
        protocol: ``tcp`` or ``udp``.
    """

    address: str
    host_port: int
    container_port: int
    protocol: Literal["tcp", "udp"] = "tcp"


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """What runs, as whom and where.

    Attributes:
        args: words after the image; () for the image's own ``Cmd``.
        entrypoint: None for the image's; () when cleared.
        env: assignments in order, those of ``--env-file`` before those of ``--env``;
            None takes a variable away.
        workdir: None for the image's.
        user: ``user[:group]``; None for the image's.
        group_add: names or numbers of further groups.
        interactive: whether the caller's stdin is passed on.
        tty: whether there is a pseudo-terminal.
        console_size: rows and columns of the caller's terminal.
        init: whether a small init is pid 1.
        umask: None for 0022.
        stop_signal: number; None for the image's.
        oom_score_adj: None to leave it alone.
        ulimits: resource limits.
        preserve_fds: file descriptors from 3 on that are passed on.
    """

    args: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    env: tuple[tuple[str, str | None], ...] = ()
    workdir: str | None = None
    user: str | None = None
    group_add: tuple[str, ...] = ()
    interactive: bool = False
    tty: bool = False
    console_size: tuple[int, int] | None = None
    init: bool = False
    umask: int | None = None
    stop_signal: int | None = None
    oom_score_adj: int | None = None
    ulimits: tuple[Ulimit, ...] = ()
    preserve_fds: int = 0


@dataclass(frozen=True, slots=True)
class FileOptions:
    """What the process sees of files.

    Attributes:
        mounts: in the order given.
        read_only: whether the root is.
        image_volumes: what becomes of the image's ``Volumes`` under a read-only root.
        shm_size: of ``/dev/shm`` in bytes.
        devices: of the host.
        secrets: files, read-only.
    """

    mounts: tuple[Mount, ...] = ()
    read_only: bool = False
    image_volumes: Literal["tmpfs", "ignore"] = "tmpfs"
    shm_size: int = 64 << 20
    devices: tuple[Device, ...] = ()
    secrets: tuple[Secret, ...] = ()

    @property
    def need_making(self) -> bool:
        """Whether there are volumes, images or secrets, whose sources are made for a run."""
        kinds = (VolumeMount, ImageMount)
        return bool(self.secrets) or any(isinstance(mount, kinds) for mount in self.mounts)


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """The network, and the files in ``/etc`` about it.

    Attributes:
        mode: ``auto`` has to be decided before a bundle is made.
        hostname: None for the container's id, or the host's with its network.
        publish: ports.
        publish_all: whether the image's ``ExposedPorts`` are published too.
        add_hosts: (name, address) for ``/etc/hosts``; ``host-gateway`` is an address.
        dns: name servers in place of the host's.
        dns_search: search domains in place of the host's; ``.`` for none.
        dns_options: resolver options in place of the host's.
        manage_hosts: whether ``/etc/hosts`` is made at all.
    """

    mode: Literal["auto", "private", "host", "none"] = "auto"
    hostname: str | None = None
    publish: tuple[PublishedPort, ...] = ()
    publish_all: bool = False
    add_hosts: tuple[tuple[str, str], ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    manage_hosts: bool = True


@dataclass(frozen=True, slots=True)
class SecurityOptions:
    """What the process may do.

    Attributes:
        cap_add: ``CAP_…`` or ``ALL``.
        cap_drop: ``CAP_…`` or ``ALL``; dropped before any is added, as in moby.
        privileged: all capabilities there are, no seccomp, nothing masked.
        seccomp: ``default``, ``system``, ``unconfined`` or a profile's path.
        apparmor: a profile's name, ``unconfined``, or None for none asked for.
        no_new_privileges: as prctl(2) ``PR_SET_NO_NEW_PRIVS``.
        unmask: paths not to mask; ``ALL`` for all.
        sysctls: only of namespaces that the container has for itself.
        pid: whose processes it sees.
        ipc: whose System V and POSIX message queues it sees.
        uts: whose host name it has.
        cgroupns: None for its own where there is cgroup v2.
        userns: which user namespace.
        uid_maps: given ones.
        gid_maps: given ones.
    """

    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    privileged: bool = False
    seccomp: str = "default"
    apparmor: str | None = None
    no_new_privileges: bool = False
    unmask: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    pid: Scope = "private"
    ipc: Scope = "private"
    uts: Scope = "private"
    cgroupns: Scope | None = None
    userns: Literal["host", "auto", "keep-id"] = "auto"
    uid_maps: tuple[IdRange, ...] = ()
    gid_maps: tuple[IdRange, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """Resources of the cgroup; None where nothing was asked for.

    Attributes:
        memory: bytes.
        memory_swap: bytes of memory and swap together; -1 for unlimited.
        memory_reservation: bytes.
        cpus: processors, e.g. 1.5.
        cpu_shares: relative weight, 2 to 262144.
        cpu_period: microseconds.
        cpu_quota: microseconds.
        cpuset_cpus: e.g. ``0-2,4``.
        cpuset_mems: e.g. ``0``.
        pids: number of processes; -1 for unlimited.
        parent: cgroup below which the container's is made.
        strict: whether a limit that can't be had is an error (else a warning).
    """

    memory: int | None = None
    memory_swap: int | None = None
    memory_reservation: int | None = None
    cpus: float | None = None
    cpu_shares: int | None = None
    cpu_period: int | None = None
    cpu_quota: int | None = None
    cpuset_cpus: str | None = None
    cpuset_mems: str | None = None
    pids: int | None = None
    parent: str | None = None
    strict: bool = True


@dataclass(frozen=True, slots=True)
class RunOptions:
    """All options of a run that the bundle depends on.

    Attributes:
        process: what runs.
        files: what it sees of files.
        network: what it sees of networks.
        security: what it may do.
        limits: how much of it.
        annotations: for the runtime, from the caller only.
        labels: for people; never given to the runtime.
        name: of the container; None for a random one.
        patch: merged into the specification at the end (RFC 7396); None for nothing.
    """

    process: ProcessOptions = ProcessOptions()
    files: FileOptions = FileOptions()
    network: NetworkOptions = NetworkOptions()
    security: SecurityOptions = field(default_factory=SecurityOptions)
    limits: Limits = Limits()
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    name: str | None = None
    patch: Mapping[str, Any] | None = None
