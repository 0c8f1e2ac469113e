"""``mounts`` of the specification: what a container sees of file systems, in order.

runtime-spec config.md "Mounts". Those that every container has come first, then the
files about the network, then what the options ask for, parents before children.
"""

from __future__ import annotations

from imgfetch.bundle import defaults
from imgfetch.bundle.options import BindMount, TmpfsMount
from imgfetch.errors import InvalidMountError, InvalidOptionError
from imgfetch.lean.typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from imgfetch.bundle.host import HostFacts, Place
    from imgfetch.bundle.options import FileOptions, Mount, RunOptions, SecurityOptions
    from imgfetch.oci.config import ImageConfig

INIT_PATH: Final = "/sbin/docker-init"


def spec_mounts(
    image: ImageConfig, options: RunOptions, host: HostFacts, place: Place
) -> list[dict[str, Any]]:
    """All mounts of a container.

    Raises:
        InvalidMountError: two on one destination, or a volume of the image on an
            impossible place.
        InvalidOptionError: ``--init`` without an init.
    """
    asked = _asked_for(options, host, place)
    own = {mount["destination"] for mount in asked}
    if len(own) != len(asked):
        destinations = [mount["destination"] for mount in asked]
        twice = next(path for path in destinations if destinations.count(path) > 1)
        message = f"two mounts on {twice}"
        raise InvalidMountError(message, expected="each destination once")
    if options.files.read_only and options.files.image_volumes == "tmpfs":
        asked += [mount for mount in _image_volumes(image) if mount["destination"] not in own]
    asked.sort(key=lambda mount: mount["destination"].count("/"))
    mounts = [mount for mount in _system(options, host, place) if not _replaced(mount, own)]
    etc = [_file(source, path, host) for path, source in place.etc_files.items() if path not in own]
    # As in docker: what is written to a volume there is kept, names are resolved all the same.
    below = [mount for mount in asked if mount["destination"] == "/etc" and _is_writable(mount)]
    return [*mounts, *below, *etc, *(mount for mount in asked if mount not in below)]


def _is_writable(mount: dict[str, Any]) -> bool:
    return "ro" not in mount.get("options", ())


def binds_sys(host: HostFacts, place: Place) -> bool:
    """Whether the host's ``/sys`` is bound: sysfs shows a network namespace.

    The kernel mounts sysfs only for those who own the network namespace they are in.
    """
    owned = place.network != "host" and host.sysfs_mountable
    return host.in_user_namespace and not owned


def _system(options: RunOptions, host: HostFacts, place: Place) -> list[dict[str, Any]]:
    access = "rw" if options.security.privileged else "ro"
    mapped = any(
        line.inside <= defaults.TTY_GROUP < line.inside + line.size
        for line in host.container_ids.gids
    )
    mounts = [
        defaults.bound("/proc") if binds_proc(options.security, host) else defaults.proc(),
        defaults.dev(),
        defaults.devpts(tty_group=mapped),
        *_ipc(options, host),
    ]
    if binds_sys(host, place):
        recursive = ("rro",) if host.recursive_read_only else ("ro",)
        return [*mounts, defaults.bound("/sys", *recursive)]
    mounts.append(defaults.sysfs(access))
    if host.cgroup_version is not None:
        mounts.append(defaults.cgroup(access))
    return mounts


def binds_proc(security: SecurityOptions, host: HostFacts) -> bool:
    """Whether the caller's ``/proc`` is bound: a fresh one shows a PID namespace of one's own."""
    shared = host.user_namespace is not None and security.pid == "host"
    return shared or not host.proc_mountable


def _ipc(options: RunOptions, host: HostFacts) -> list[dict[str, Any]]:
    """Shared memory and message queues: the container's or, as in docker, the host's."""
    if options.security.ipc == "private":
        return [defaults.shm(options.files.shm_size), defaults.mqueue()]
    shm = defaults.bound("/dev/shm")  # noqa: S108 - the host's, as asked for
    # Queues of an IPC namespace that belongs to somebody else can't be mounted.
    return [shm] if host.in_user_namespace else [shm, defaults.mqueue()]


def _replaced(mount: dict[str, Any], own: set[str]) -> bool:
    """Whether an option's mount stands in for a system one, as in moby."""
    destination: str = mount["destination"]
    return destination in own or ("/dev" in own and destination.startswith("/dev/"))


def _asked_for(options: RunOptions, host: HostFacts, place: Place) -> list[dict[str, Any]]:
    files = options.files
    mounts = [_option_mount(mount, host) for mount in files.mounts]
    mounts += [_file(secret.source, secret.target, host) for secret in files.secrets]
    if options.process.init:
        if place.init is None:
            message = "--init needs a static init, and none is installed"
            hint = "install one: tini-static, catatonit or docker-init"
            raise InvalidOptionError(message, hint=hint)
        mounts.append(_file(place.init, INIT_PATH, host))
    if host.in_user_namespace:
        mounts += _bound_devices(files, host, privileged=options.security.privileged)
    return mounts


def _option_mount(mount: Mount, host: HostFacts) -> dict[str, Any]:
    if isinstance(mount, TmpfsMount):
        return {
            "destination": mount.destination,
            "type": "tmpfs",
            "source": "tmpfs",
            "options": list(mount.options),
        }
    if isinstance(mount, BindMount):
        return _bind(mount, host)
    message = f"{mount.destination}: volumes and images have to be bind mounts by now"
    raise InvalidMountError(message)


def _bind(mount: BindMount, host: HostFacts) -> dict[str, Any]:
    options = ["rbind" if mount.recursive else "bind", mount.propagation]
    if mount.read_only:
        recursive = mount.recursive and host.recursive_read_only
        options.append("rro" if recursive else "ro")
        if host.in_user_namespace:
            # A read-only bind is a remount, and that may not drop what the mount's
            # owner locked: without these runc 1.1 gives EPERM.
            options += host.locked_flags(mount.source)
    return {
        "destination": mount.destination,
        "type": "bind",
        "source": mount.source,
        "options": list(dict.fromkeys(options)),
    }


def _file(source: str, destination: str, host: HostFacts) -> dict[str, Any]:
    """A file of ours; ``/etc`` of the image stays as it is (CVE-2024-1753 class)."""
    read_only = not destination.startswith("/etc/")
    return _bind(BindMount(source, destination, read_only, recursive=False), host)


def _bound_devices(
    files: FileOptions, host: HostFacts, *, privileged: bool
) -> list[dict[str, Any]]:
    """Devices where nobody may make nodes: the host's are bound."""
    pairs = {device.target: device.source for device in files.devices}
    if privileged:
        pairs = {node.path: node.path for node in host.host_devices} | pairs
    return [
        _bind(BindMount(source, target, recursive=False), host)
        for target, source in pairs.items()
        if target not in defaults.DEVICES
    ]


def _image_volumes(image: ImageConfig) -> list[dict[str, Any]]:
    """The image's ``Volumes`` under a read-only root: writable, with what is there."""
    from imgfetch.bundle.mounts import container_path  # with the grammars of options

    destinations = dict.fromkeys(
        container_path(path, "volume of the image") for path in image.process.volumes
    )
    options = ["nosuid", "nodev", "tmpcopyup", "mode=755"]
    return [
        {"destination": path, "type": "tmpfs", "source": "tmpfs", "options": list(options)}
        for path in destinations
    ]
