"""``linux`` of the specification: namespaces, devices, masks and sysctls.

runtime-spec config-linux.md. An option that has no effect here is an error rather
than a container that is less isolated than its caller believes (CVE-2025-65105).
"""

from __future__ import annotations

from imgfetch.bundle import defaults
from imgfetch.bundle.capabilities import ALL
from imgfetch.bundle.filesystems import binds_proc, binds_sys
from imgfetch.errors import InvalidOptionError
from imgfetch.lean import re
from imgfetch.lean.typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgfetch.bundle.host import DeviceNode, HostFacts, Place
    from imgfetch.bundle.options import RunOptions, SecurityOptions
    from imgfetch.fs.idmap import IdRange

_IPC_SYSCTLS: Final = re.compile(
    r"fs\.mqueue\..+|kernel\.(?:msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)"
)


def namespaces(security: SecurityOptions, host: HostFacts, place: Place) -> list[dict[str, Any]]:
    """The namespaces that the runtime makes."""
    kinds = ["mount"]
    kinds += [kind for kind in ("pid", "ipc", "uts") if getattr(security, kind) == "private"]
    if place.network != "host" and not place.inherit_network:
        kinds.append("network")
    if host.cgroup_version == 2 and security.cgroupns != "host":  # noqa: PLR2004 - cgroup v2
        kinds.append("cgroup")
    if host.user_namespace is not None:
        kinds.append("user")
    return [{"type": kind} for kind in kinds]


def id_mappings(host: HostFacts) -> dict[str, Any]:
    """``uidMappings`` and ``gidMappings``, where the runtime makes the user namespace."""
    if host.user_namespace is None:
        return {}
    ids = host.user_namespace
    return {"uidMappings": _mappings(ids.uids), "gidMappings": _mappings(ids.gids)}


def _mappings(lines: Sequence[IdRange]) -> list[dict[str, int]]:
    return [
        {"containerID": line.inside, "hostID": line.outside, "size": line.size} for line in lines
    ]


def masks(security: SecurityOptions, host: HostFacts, place: Place) -> dict[str, Any]:
    """``maskedPaths`` and ``readonlyPaths``."""
    if security.privileged or ALL in security.unmask:
        masked, readonly = [], []
    else:
        masked = [path for path in defaults.MASKED_PATHS if path not in security.unmask]
        readonly = [path for path in defaults.READONLY_PATHS if path not in security.unmask]
    if binds_proc(security, host):
        # A bound /proc keeps the masks of whoever it belongs to, and takes no others.
        masked = [path for path in masked if not path.startswith("/proc/")]
        readonly = [path for path in readonly if not path.startswith("/proc/")]
    if binds_sys(host, place):
        # The host's hierarchy comes along, writable where it was delegated to the
        # user (CVE-2023-25809).
        masked.append("/sys/fs/cgroup")
    return {"maskedPaths": masked, "readonlyPaths": readonly}


def sysctls(security: SecurityOptions, host: HostFacts, place: Place) -> dict[str, str]:
    """Kernel parameters of namespaces that the container has for itself.

    Raises:
        InvalidOptionError: one that would be the host's, or that can't be set here.
    """
    own_network = place.network != "host"
    # In a pod the container has its /proc, of which /proc/sys can only be read.
    settable = host.proc_mountable or "ro" not in host.locked_flags("/proc/sys")
    chosen = dict(defaults.NETWORK_SYSCTLS) if own_network and settable else {}
    if host.in_user_namespace:
        # Takes kernel ids, of which a user namespace has not all.
        chosen.pop("net.ipv4.ping_group_range", None)
    for name, value in security.sysctls.items():
        own = own_network if name.startswith("net.") else False
        own = own or (security.ipc == "private" and _IPC_SYSCTLS.fullmatch(name) is not None)
        own = own or (security.uts == "private" and name == "kernel.domainname")
        if not own:
            message = f"sysctl {name} is not the container's own"
            hint = "with --network=host those of net. are the host's"
            raise InvalidOptionError(
                message, expected="one of its network, IPC or UTS namespace", hint=hint
            )
        if not settable:
            message = f"sysctl {name} can't be set: /proc/sys can only be read here"
            raise InvalidOptionError(message, hint="leave --sysctl out")
        chosen[name] = value
    return chosen


def devices(options: RunOptions, host: HostFacts) -> list[DeviceNode]:
    """The device nodes that the runtime makes; none in a user namespace, they are bound.

    Raises:
        InvalidOptionError: a path that is no device.
    """
    nodes = {}
    if options.security.privileged:
        nodes = {node.path: node for node in host.host_devices}
    for device in options.files.devices:
        node = host.find_device(device.source)
        if node is None:
            message = f"{device.source} is not a device"
            raise InvalidOptionError(message, hint="directories are not taken, name each device")
        nodes[device.target] = node
    if host.in_user_namespace:
        return []
    return [node._replace(path=path) for path, node in nodes.items()]


def device_nodes(nodes: Sequence[DeviceNode]) -> list[dict[str, Any]]:
    """``linux.devices``."""
    return [
        {
            "path": node.path,
            "type": node.kind,
            "major": node.major,
            "minor": node.minor,
            "fileMode": node.mode,
            "uid": node.uid,
            "gid": node.gid,
        }
        for node in nodes
    ]


def device_rules(options: RunOptions, nodes: Sequence[DeviceNode]) -> list[dict[str, Any]]:
    """Rules of the device cgroup: nothing but what the runtime adds itself and these."""
    if options.security.privileged:
        return [{"allow": True, "access": "rwm"}]
    access = {device.target: device.access for device in options.files.devices}
    allowed = [
        {
            "allow": True,
            "type": node.kind,
            "major": node.major,
            "minor": node.minor,
            "access": access[node.path],
        }
        for node in nodes
    ]
    return [{"allow": False, "access": "rwm"}, *allowed]


def apparmor_profile(security: SecurityOptions, host: HostFacts) -> str | None:
    """The profile asked for, if there is one.

    Raises:
        InvalidOptionError: it is not loaded, so it would protect nothing.
    """
    if security.apparmor in {None, "unconfined"}:
        return None
    if host.apparmor_profiles is None:
        message = "AppArmor is off here, and a profile was asked for"
        raise InvalidOptionError(
            message, actual=f"apparmor={security.apparmor}", hint="leave apparmor= out"
        )
    if security.apparmor not in host.apparmor_profiles:
        message = f"AppArmor profile {security.apparmor!r} is not loaded"
        raise InvalidOptionError(message, hint="load it with apparmor_parser")
    return security.apparmor
