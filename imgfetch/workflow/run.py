"""Run a command in a container of an image, and give its exit status.

The run's directory is the bundle. It is locked by this process for as long as it lives,
so that whoever runs next can clear away what a killed run has left.

What a plain run does not need is in modules of its own, imported where it is asked for.
"""

from __future__ import annotations

from imgfetch.bundle.directory import write_run_config
from imgfetch.bundle.host import Place
from imgfetch.fs.space import no_space_told
from imgfetch.lean.contextlib import ExitStack
from imgfetch.lean.dataclasses import replace
from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.runtime.identifiers import new_container_id
from imgfetch.runtime.rundir import RunDirectory, collect_dead

if TYPE_CHECKING:
    from imgfetch.bundle.host import Network
    from imgfetch.bundle.options import RunOptions
    from imgfetch.interfaces import Runtime, Snapshotter
    from imgfetch.oci.image import Image
    from imgfetch.workflow.container import ContainerMaker
    from imgfetch.workflow.extras import Extras

# Below it every container has a cgroup of its own.
CGROUP_PARENT = "/imgfetch"


def run(
    image: Image,
    options: RunOptions,
    *,
    network: Network,
    runs: str,
    maker: ContainerMaker,
    snapshotter: Snapshotter,
    runtime: Runtime,
    extras: Extras | None = None,
) -> int:
    """Run a container in the foreground.

    Has to be called in namespaces of `imgfetch.snapshot.userns.enter`, in a process that
    does nothing else afterwards.

    Args:
        image: its layers are prepared.
        options: of the run.
        network: decided from the options' ``auto``.
        runs: absolute path of the directory of runs.
        maker: makes the specification.
        snapshotter: gives the root filesystem.
        runtime: starts the container.
        extras: what most runs have none of; None for nothing.

    Returns:
        The container's exit status.

    Raises:
        BundleError: the options, or what the image says, are impossible here.
        CommandError: the command can't be started.
        RuntimeFailedError: the runtime failed.
        NoSpaceError: no space or inodes left for the run's own files.
    """
    collect_dead(runs)
    with ExitStack() as stack:
        directory = RunDirectory.make(runs, new_container_id(), options.name)
        stack.callback(extras.leave if extras else RunDirectory.remove, directory)
        # Before the mount: one that fails in the middle has to be undone too.
        stack.callback(snapshotter.unmount, directory.path)
        stack.enter_context(no_space_told(str(directory.path)))
        # It comes up while the container is being made.
        connection = extras.connect(directory, stack) if extras else None
        path, container_id = str(directory.path), directory.container_id
        root = str(snapshotter.mount(image.layers, directory.path))
        if extras and extras.mounts:
            planned = extras.mounts.planned(options.files, root, path)
            extras.mounts.make(options.files, root, path, stack)
            options = replace(options, files=planned)
        place = Place(
            container_id=container_id,
            rootfs=root,
            network=network,
            inherit_network=network == "private",
            init=extras.init if extras else None,
            cgroup_path=_cgroup_path(maker, container_id),
        )
        spec = maker.specify(image.config, options, place, root, directory=path)
        if extras and extras.record:
            extras.record.container_id = container_id
            args = spec.document["process"]["args"]
            extras.record.argv = args[2:] if extras.init else list(args)
        maker.prepare(root, spec.document)
        maker.check_command(root, spec.document)
        write_run_config(path, spec.document)
        if extras:
            extras.begin(spec, connection, directory, snapshotter, stack)
        ending = runtime.supervise(container_id, directory.path)
        if extras:
            extras.end(ending)
        return ending.status


def _cgroup_path(maker: ContainerMaker, container_id: str) -> str | None:
    if maker.host.cgroup_version is None:
        return None
    return f"{CGROUP_PARENT}/{container_id}"
