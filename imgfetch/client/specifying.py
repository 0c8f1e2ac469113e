"""``spec``: the specification that a run would use, without a run."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from imgfetch.bundle.host import Place
from imgfetch.bundle.probe import find_cgroups, host_facts
from imgfetch.client.containers import (
    decide_network,
    enter_namespaces,
    find_init,
    mount_maker,
)
from imgfetch.errors import NotInStoreError
from imgfetch.fs.atomic import make_directories
from imgfetch.fs.removal import remove_tree
from imgfetch.oci.transport import PathName
from imgfetch.runtime.identifiers import new_container_id
from imgfetch.workflow.container import ContainerMaker
from imgfetch.workflow.run import CGROUP_PARENT

if TYPE_CHECKING:
    from imgfetch.bundle.options import RunOptions
    from imgfetch.client.collaborators import Collaborators, Store
    from imgfetch.oci.image import Image
    from imgfetch.workflow.obtain import Policy


def spec(
    with_: Collaborators,
    name: str,
    options: RunOptions,
    *,
    platform: str | None,
    policy: Policy,
) -> dict[str, Any]:
    """See `Client.spec`."""
    network, _ = decide_network(with_, options)
    init = find_init(with_) if options.process.init else None
    scratch = mkdtemp(prefix="imgfetch-spec-")
    directory, container_id = f"{scratch}/run", new_container_id()
    with ExitStack() as stack:
        stack.callback(remove_tree, scratch)
        image, content = _obtain_aside(with_, name, platform, policy, f"{scratch}/store")
        options, mapping = enter_namespaces(with_, options)
        snapshotter = with_.snapshotter(mapping, content=content, path=f"{scratch}/store")
        make_directories(f"{scratch}/store/locks")
        snapshotter.prepare(image.layers)
        os.mkdir(directory, 0o700)
        stack.callback(snapshotter.unmount, Path(directory))
        root = str(snapshotter.mount(image.layers, Path(directory)))
        if options.files.need_making:
            planner = mount_maker(with_, snapshotter, {}, ())
            options = replace(options, files=planner.planned(options.files, root, directory))
        privileged = options.security.privileged
        facts = host_facts(mapping, find_cgroups(mapping), privileged=privileged)
        place = Place(
            container_id,
            network=network,
            inherit_network=network == "private",
            init=init,
            cgroup_path=f"{CGROUP_PARENT}/{container_id}" if facts.cgroup_version else None,
        )
        maker = ContainerMaker(facts, with_.progress)
        document = maker.make(image.config, options, place, root, directory=directory)
    for mount in document["mounts"]:
        if str(mount.get("source", "")).startswith(f"{directory}/"):
            own = f"{with_.settings.store}/runs/{container_id}"
            mount["source"] = own + mount["source"].removeprefix(directory)
    return document


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
