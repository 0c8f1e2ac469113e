"""Run a command in a container of an image, and give its exit status.

The run's directory is the bundle. It is locked by this process for as long as it lives,
so that whoever runs next can clear away what a killed run has left.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from imgfetch.bundle.directory import write_run_config
from imgfetch.bundle.host import Place
from imgfetch.runtime.identifiers import new_container_id
from imgfetch.runtime.rundir import RunDirectory, collect_dead

if TYPE_CHECKING:
    from imgfetch.bundle.host import Network
    from imgfetch.bundle.options import RunOptions
    from imgfetch.interfaces import Runtime, Snapshotter
    from imgfetch.oci.image import Image
    from imgfetch.workflow.container import ContainerMaker

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

    Returns:
        The container's exit status.

    Raises:
        BundleError: the options, or what the image says, are impossible here.
        CommandError: the command can't be started.
        RuntimeFailedError: the runtime failed.
    """
    collect_dead(runs)
    with ExitStack() as stack:
        directory = RunDirectory.make(runs, new_container_id(), options.name)
        stack.callback(directory.remove)
        # Before the mount: one that fails in the middle has to be undone too.
        stack.callback(snapshotter.unmount, directory.path)
        root = snapshotter.mount(image.layers, directory.path)
        place = Place(
            container_id=directory.container_id,
            rootfs=str(root),
            network=network,
            cgroup_path=_cgroup_path(maker, directory.container_id),
        )
        path = str(directory.path)
        spec = maker.make(image.config, options, place, str(root), directory=path)
        maker.prepare(str(root), spec)
        maker.check_command(str(root), spec)
        write_run_config(path, spec)
        return runtime.run(directory.container_id, directory.path)


def _cgroup_path(maker: ContainerMaker, container_id: str) -> str | None:
    if maker.host.cgroup_version is None:
        return None
    return f"{CGROUP_PARENT}/{container_id}"
