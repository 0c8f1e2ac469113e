"""Verbs that make containers and specifications out of images."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imgfetch.errors import InvalidOptionError, NotInStoreError
from imgfetch.oci.transport import PathName

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgfetch.bundle.host import Network
    from imgfetch.bundle.options import RunOptions
    from imgfetch.client.collaborators import Collaborators, Store
    from imgfetch.fs.idmap import IdMapping
    from imgfetch.oci.image import Image
    from imgfetch.workflow.obtain import Policy


@dataclass(frozen=True, slots=True)
class Supervision:
    """How a run is watched over.

    Attributes:
        runtime: name or path of the OCI runtime; None for the setting's.
        rootfs_mode: None for the setting's.
        timeout: seconds after which the container is stopped; None for never.
        stop_timeout: seconds between asking it to stop and killing it.
        signal_proxy: whether signals are passed on to it.
    """

    runtime: str | None = None
    rootfs_mode: str | None = None
    timeout: float | None = None
    stop_timeout: float = 10
    signal_proxy: bool = True


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
    from imgfetch.bundle.process import stop_signal
    from imgfetch.runtime.runc import Runc, Stdio
    from imgfetch.runtime.supervision import TimeLimits
    from imgfetch.workflow.container import ContainerMaker
    from imgfetch.workflow.run import run as run_image

    # Before anything is fetched: a run that can't be had should not cost a download.
    network = decide_network(with_, options)
    program = with_.runtime(supervision.runtime)
    with with_.store.lease():
        image = obtain(with_, name, platform, policy)
        mapping = _enter(with_)
        snapshotter = with_.snapshotter(
            mapping,
            mode=supervision.rootfs_mode,
            content=with_.store,
            path=with_.settings.store,
        )
        snapshotter.prepare(image.layers)
    host = host_facts(mapping, find_cgroups(mapping), privileged=options.security.privileged)
    process = options.process
    runtime = Runc(
        program,
        with_.search_path,
        rootless=not mapping.initial,
        stdio=Stdio(process.interactive, process.tty, process.preserve_fds),
        limits=TimeLimits(
            supervision.timeout, supervision.stop_timeout, stop_signal(image.config, process)
        ),
        signal_proxy=supervision.signal_proxy,
    )
    return run_image(
        image,
        options,
        network=network,
        runs=f"{with_.settings.store}/runs",
        maker=ContainerMaker(host, with_.progress),
        snapshotter=snapshotter,
        runtime=runtime,
    )


def prepare(with_: Collaborators, wanted: Iterable[tuple[str, str | None]]) -> None:
    """See `Client.prepare`."""
    with with_.store.lease():
        images = [obtain(with_, name, platform, "missing") for name, platform in wanted]
        mapping = _enter(with_)
        snapshotter = with_.snapshotter(mapping, content=with_.store, path=with_.settings.store)
        for image in images:
            snapshotter.prepare(image.layers)


def spec(
    with_: Collaborators,
    name: str,
    options: RunOptions,
    *,
    platform: str | None,
    policy: Policy,
) -> dict[str, Any]:
    """See `Client.spec`."""
    from pathlib import Path
    from tempfile import mkdtemp

    from imgfetch.bundle.host import Place
    from imgfetch.bundle.probe import find_cgroups, host_facts
    from imgfetch.fs.atomic import make_directories
    from imgfetch.fs.removal import remove_tree
    from imgfetch.runtime.identifiers import new_container_id
    from imgfetch.workflow.container import ContainerMaker
    from imgfetch.workflow.run import CGROUP_PARENT

    network = decide_network(with_, options)
    scratch = mkdtemp(prefix="imgfetch-spec-")
    with ExitStack() as stack:
        stack.callback(remove_tree, scratch)
        image, content = _obtain_aside(with_, name, platform, policy, f"{scratch}/store")
        mapping = _enter(with_)
        snapshotter = with_.snapshotter(mapping, content=content, path=f"{scratch}/store")
        make_directories(f"{scratch}/store/locks")
        snapshotter.prepare(image.layers)
        directory = f"{scratch}/run"
        os.mkdir(directory, 0o700)
        stack.callback(snapshotter.unmount, Path(directory))
        root = snapshotter.mount(image.layers, Path(directory))
        host = host_facts(mapping, find_cgroups(mapping), privileged=options.security.privileged)
        container_id = new_container_id()
        cgroup = f"{CGROUP_PARENT}/{container_id}" if host.cgroup_version else None
        document = ContainerMaker(host, with_.progress).make(
            image.config,
            options,
            Place(container_id, network=network, cgroup_path=cgroup),
            str(root),
            directory=directory,
        )
    for mount in document["mounts"]:
        if str(mount.get("source", "")).startswith(f"{directory}/"):
            own = f"{with_.settings.store}/runs/{container_id}"
            mount["source"] = own + mount["source"].removeprefix(directory)
    return document


def _enter(with_: Collaborators) -> IdMapping:
    from imgfetch.snapshot.userns import enter

    return enter(search_path=with_.search_path, warn=with_.progress.warn)


def obtain(with_: Collaborators, name: str, platform: str | None, policy: Policy) -> Image:
    """An image in the store; one that had to be fetched gets its name there.

    To be called with a lease of the store, which is to last until the image was used.
    """
    parsed = with_.parse(name)
    store = with_.store
    chosen = (with_.platform(platform),)
    if not isinstance(parsed, PathName):
        stored = store.lookup(str(parsed.reference))
        obtained = with_.obtain(parsed, chosen, policy)
        if stored != obtained.top and not parsed.reference.pinned:
            reference = parsed.reference
            if stored is not None and with_.settings.locked is not None:
                # To run an older image is no reason to move what a name stands for.
                reference = reference.with_digest(obtained.top.digest)
            store.tag(str(reference), obtained.top)
    else:
        obtained = with_.obtain(parsed, chosen, policy)
    return obtained.images[0]


def _obtain_aside(
    with_: Collaborators, name: str, platform: str | None, policy: Policy, scratch: str
) -> tuple[Image, Store]:
    """An image without changing the store: from there, or else fetched elsewhere."""
    parsed = with_.parse(name)
    chosen = (with_.platform(platform),)
    if not isinstance(parsed, PathName) and policy in {"missing", "never"}:
        try:
            return with_.obtain(parsed, chosen, "never").images[0], with_.store
        except NotInStoreError:
            if policy == "never" or with_.remote(parsed) is None:
                raise
    aside = with_.open_store(scratch)
    return with_.obtain(parsed, chosen, "always", aside).images[0], aside


def decide_network(with_: Collaborators, options: RunOptions) -> Network:
    """The network of a run that starts now.

    Raises:
        InvalidOptionError: it can't be had.
    """
    mode = options.network.mode
    if mode == "private":
        message = "a private network can't be had yet"
        raise InvalidOptionError(message, hint="use --network host or --network none")
    if mode == "auto":
        with_.progress.warn(
            "the container shares this machine's network; --network host says that this is"
            " meant, --network none gives it none"
        )
        return "host"
    return mode
