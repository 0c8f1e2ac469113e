"""``run``: everything that a container in the foreground takes, put together."""

from __future__ import annotations

from imgfetch.client.containers import (
    decide_network,
    enter_namespaces,
    find_init,
    mount_maker,
    mounted_images,
    obtain,
    unpacking_alongside,
)
from imgfetch.lean.dataclasses import dataclass, replace
from imgfetch.lean.functools import partial
from imgfetch.lean.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from imgfetch.bundle.host import HostFacts
    from imgfetch.bundle.options import PublishedPort, RunOptions
    from imgfetch.client.collaborators import Collaborators
    from imgfetch.fs.idmap import IdMapping
    from imgfetch.interfaces import Snapshotter
    from imgfetch.oci.image import Image
    from imgfetch.runtime.program import RuntimeProgram
    from imgfetch.runtime.runc import Runc
    from imgfetch.workflow.detach import Detached
    from imgfetch.workflow.extras import Extras
    from imgfetch.workflow.mounts import MountMaker
    from imgfetch.workflow.obtain import Policy
    from imgfetch.workflow.result import RunRecord


@dataclass(frozen=True, slots=True)
class Supervision:
    """How a run is watched over.

    Attributes:
        runtime: name or path of the OCI runtime; None for the setting's.
        rootfs_mode: None for the setting's.
        timeout: seconds after which the container is stopped; None for never.
        stop_timeout: seconds between asking it to stop and killing it.
        signal_proxy: whether signals are passed on to it.
        cid_file: path of a file that gets its id.
        pid_file: path of a file that gets the pid of its process.
        keep: whether what it wrote is kept in the store.
        record: gets what becomes known of the run.
        detached: the run goes on without this process; None for the foreground.
        strict: whether a runtime with known holes is refused.
    """

    runtime: str | None = None
    rootfs_mode: str | None = None
    timeout: float | None = None
    stop_timeout: float = 10
    signal_proxy: bool = True
    cid_file: str | None = None
    pid_file: str | None = None
    keep: bool = False
    record: RunRecord | None = None
    detached: Detached | None = None
    strict: bool = False


def run(
    with_: Collaborators,
    name: str,
    options: RunOptions,
    supervision: Supervision,
    *,
    platform: str | None,
    policy: Policy,
) -> int:
    """See `Client.run`."""
    from imgfetch.bundle.probe import find_cgroups, host_facts
    from imgfetch.workflow.container import ContainerMaker
    from imgfetch.workflow.run import run as run_image

    # Before anything is fetched: a run that can't be had should not cost a download.
    network, helpers = decide_network(with_, options)
    program = _program(with_, supervision)
    secrets = _prepare(options, supervision)
    image, mounted, options, mapping, snapshotter = _unpacked(
        with_, name, options, supervision, platform, policy
    )
    host = host_facts(mapping, find_cgroups(mapping), privileged=options.security.privileged)
    runtime = _runtime(with_, program, image, options, supervision, host)
    host = replace(
        host,
        proc_mountable=runtime.pid_namespace or not host.rootless,
        sysfs_mountable=_shows_fresh(host),
    )
    mounts = None
    if options.files.need_making:
        mounts = mount_maker(with_, snapshotter, mounted, secrets)
    runs = f"{with_.settings.store}/runs"
    supervise = partial(
        run_image,
        image,
        options,
        network=network,
        runs=runs,
        maker=ContainerMaker(host, with_.progress),
        snapshotter=snapshotter,
        runtime=runtime,
        extras=_extras(with_, image, options, supervision, mounts, helpers, runtime),
    )
    if supervision.detached is None:
        return supervise()
    supervision.detached.settle(options, runtime, mapping)
    with_.close()
    supervision.detached.start(supervise, runs)
    return 0


def _program(with_: Collaborators, supervision: Supervision) -> RuntimeProgram:
    program = with_.runtime(supervision.runtime)
    if supervision.strict:
        from imgfetch.runtime.version import refuse_known_escapes

        refuse_known_escapes(program)
    return program


class _Unpacked(NamedTuple):
    image: Image
    mounted: dict[str, Image]
    options: RunOptions
    mapping: IdMapping
    snapshotter: Snapshotter


def _unpacked(
    with_: Collaborators,
    name: str,
    options: RunOptions,
    supervision: Supervision,
    platform: str | None,
    policy: Policy,
) -> _Unpacked:
    """All images of a run in the store and unpacked, and this process in namespaces of its own."""
    with with_.store.lease():
        alongside = unpacking_alongside(with_, options, supervision.rootfs_mode)
        image = obtain(with_, name, platform, policy, alongside)
        if supervision.record:
            supervision.record.digest = str(image.descriptor.digest)
        mounted = mounted_images(with_, options.files, platform, policy)
        options, mapping = enter_namespaces(with_, options)
        snapshotter = with_.snapshotter(
            mapping,
            mode=supervision.rootfs_mode,
            content=with_.store,
            path=with_.settings.store,
        )
        for one in (image, *mounted.values()):
            snapshotter.prepare(one.layers)
    return _Unpacked(image, mounted, options, mapping, snapshotter)


def _prepare(options: RunOptions, supervision: Supervision) -> tuple[bytes, ...]:
    """Look at the caller's files as the caller; returns the secrets."""
    if supervision.cid_file:
        from imgfetch.workflow.extras import check_new

        check_new(supervision.cid_file, "--cidfile")
    if not options.files.secrets:
        return ()
    from imgfetch.workflow.mounts import read_secrets

    return read_secrets(options.files.secrets)


def _runtime(
    with_: Collaborators,
    program: RuntimeProgram,
    image: Image,
    options: RunOptions,
    supervision: Supervision,
    host: HostFacts,
) -> Runc:
    from imgfetch.bundle.process import stop_signal
    from imgfetch.runtime.runc import Runc, Stdio
    from imgfetch.runtime.supervision import TimeLimits

    process = options.process
    signal = stop_signal(image.config, process)
    limited = options.limits.memory is not None and "memory" in host.controllers
    return Runc(
        program,
        with_.search_path,
        rootless=host.rootless,
        # Nobody would see the machine's processes from a namespace in between.
        pid_namespace=_shows_fresh(host) and options.security.pid == "private",
        stdio=Stdio(process.interactive, process.tty, process.preserve_fds),
        limits=TimeLimits(supervision.timeout, supervision.stop_timeout, signal),
        signal_proxy=supervision.signal_proxy,
        counts_oom_kills=limited and not program.is_crun,
    )


def _shows_fresh(host: HostFacts) -> bool:
    """Whether the kernel mounts ``/proc`` and ``/sys`` anew: both or none."""
    from imgfetch.runtime.mountinfo import fresh_proc_allowed

    return not host.rootless or fresh_proc_allowed()


def _extras(
    with_: Collaborators,
    image: Image,
    options: RunOptions,
    supervision: Supervision,
    mounts: MountMaker | None,
    helpers: tuple[str, ...],
    runtime: Runc,
) -> Extras | None:
    """None for a plain run, which then imports nothing of all this."""
    ports = _ports(with_, image, options, private=bool(helpers))
    asked = (
        helpers or None,
        mounts,
        supervision.cid_file,
        supervision.pid_file,
        supervision.record,
    )
    limited = runtime.counts_oom_kills or supervision.keep or options.process.init
    if not (limited or any(one is not None for one in asked)):
        return None
    from imgfetch.workflow.extras import Extras

    return Extras(
        with_.progress,
        mounts=mounts,
        network_helpers=helpers,
        ports=ports,
        init=find_init(with_) if options.process.init else None,
        cid_file=supervision.cid_file,
        pid_file=supervision.pid_file,
        pid_namespace=runtime.pid_namespace,
        keep=f"{with_.settings.store}/kept" if supervision.keep else None,
        record=supervision.record,
        detached=supervision.detached,
    )


def _ports(
    with_: Collaborators, image: Image, options: RunOptions, *, private: bool
) -> tuple[PublishedPort, ...]:
    network = options.network
    if not (network.publish or network.publish_all):
        return ()
    if not private:
        with_.progress.warn("no port is published: the container has no private network")
        return ()
    from imgfetch.workflow.network import published

    return published(network, image.config)
