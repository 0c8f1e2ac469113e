"""An image's config and the options of a run become a runtime specification.

image-spec conversion.md, runtime-spec config.md. No input or output: what the machine
is like comes in `HostFacts`, where the container lives in `Place`.

Never in it: an empty ``cgroupsPath`` (crun then kills every process of the *root*
cgroup at the end), inheritable or ambient capabilities, hooks, or anything that an
image's label or annotation asks of the runtime.
"""

from __future__ import annotations

from imgfetch.bundle import defaults, isolation
from imgfetch.bundle.annotations import spec_annotations
from imgfetch.bundle.filesystems import spec_mounts
from imgfetch.bundle.process import container_hostname, spec_process
from imgfetch.bundle.resources import resources
from imgfetch.lean.dataclasses import dataclass
from imgfetch.lean.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgfetch.bundle.host import HostFacts, Place
    from imgfetch.bundle.options import RunOptions
    from imgfetch.bundle.users import ResolvedUser
    from imgfetch.oci.config import ImageConfig


@dataclass(frozen=True, slots=True)
class RuntimeSpec:
    """A runtime specification and what a person should know about it.

    Attributes:
        document: ``config.json`` as a value.
        network_sysctls: for whoever made the network namespace to set: runtimes refuse
            those of a namespace that they found.
        warnings: what was asked for and can't be had here, a sentence each.
        omitted_labels: labels of the image that did not become annotations.
    """

    document: dict[str, Any]
    network_sysctls: dict[str, str]
    warnings: tuple[str, ...] = ()
    omitted_labels: tuple[str, ...] = ()


def runtime_spec(
    image: ImageConfig,
    options: RunOptions,
    host: HostFacts,
    user: ResolvedUser,
    place: Place,
    *,
    seccomp: dict[str, Any] | None,
) -> RuntimeSpec:
    """Convert.

    Args:
        image: the image's config.
        options: of the run.
        host: the machine.
        user: the process's user, looked up in the image.
        place: where the container lives.
        seccomp: ``linux.seccomp``, from `imgfetch.bundle.seccomp.resolve`; None for none.
            A privileged container has none anyway.

    Raises:
        InvalidOptionError: an option that is impossible here.
        InvalidMountError: a mount that is impossible here.
        InvalidUserError: a user that is impossible here.
        DocumentError: the image's config says something impossible.
    """
    warnings: list[str] = []
    sysctls = isolation.sysctls(options.security, host, place)
    inherited = {
        name: value
        for name, value in sysctls.items()
        if place.inherit_network and name.startswith("net.")
    }
    notes, omitted = spec_annotations(image, options.annotations)
    document: dict[str, Any] = {
        "ociVersion": defaults.OCI_VERSION,
        "process": spec_process(image, options, host, user, place, warnings),
        "root": {"path": place.rootfs, "readonly": options.files.read_only},
        "mounts": spec_mounts(image, options, host, place),
        "annotations": notes,
        "linux": _linux(options, host, place, seccomp, warnings),
    }
    if options.security.uts == "private":
        document["hostname"] = container_hostname(options, host, place)
    own = {name: value for name, value in sysctls.items() if name not in inherited}
    if own:
        document["linux"]["sysctl"] = own
    return RuntimeSpec(document, inherited, tuple(warnings), omitted)


def _linux(
    options: RunOptions,
    host: HostFacts,
    place: Place,
    seccomp: dict[str, Any] | None,
    warnings: list[str],
) -> dict[str, Any]:
    security = options.security
    nodes = isolation.devices(options, host)
    limits = resources(options.limits, host, warnings)
    if not host.in_user_namespace:
        limits["devices"] = isolation.device_rules(options, nodes)
    linux: dict[str, Any] = {
        "namespaces": isolation.namespaces(security, host, place),
        **isolation.id_mappings(host),
        **isolation.masks(security, host, place),
    }
    if nodes:
        linux["devices"] = isolation.device_nodes(nodes)
    if limits:
        linux["resources"] = limits
    if place.cgroup_path:
        linux["cgroupsPath"] = place.cgroup_path
    if seccomp is not None and not security.privileged:
        linux["seccomp"] = seccomp
    return linux
