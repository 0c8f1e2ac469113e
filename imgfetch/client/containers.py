"""What verbs about containers have in common: images, namespaces, networks, mounts."""

from __future__ import annotations

import os

from imgfetch.errors import InvalidOptionError, RuntimeFailedError
from imgfetch.lean.dataclasses import replace
from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.oci.platform import Platform
from imgfetch.oci.transport import PathName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from imgfetch.bundle.host import Network
    from imgfetch.bundle.options import FileOptions, RunOptions, SecurityOptions
    from imgfetch.client.collaborators import Collaborators
    from imgfetch.fs.idmap import IdMapping
    from imgfetch.interfaces import BlobReader, Progress, Snapshotter
    from imgfetch.oci.image import Image
    from imgfetch.workflow.mounts import MountMaker
    from imgfetch.workflow.obtain import Alongside, Policy


def prepare(with_: Collaborators, wanted: Iterable[tuple[str, str | None]]) -> None:
    """See `Client.prepare`."""
    with with_.store.lease():
        images = [obtain(with_, name, platform, "missing") for name, platform in wanted]
        mapping = _enter(with_)
        snapshotter = with_.snapshotter(mapping, content=with_.store, path=with_.settings.store)
        for image in images:
            snapshotter.prepare(image.layers)


def obtain(
    with_: Collaborators,
    name: str,
    platform: str | None,
    policy: Policy,
    alongside: Alongside | None = None,
) -> Image:
    """An image in the store; one that had to be fetched gets its name there.

    To be called with a lease of the store, which is to last until the image was used.
    """
    parsed = with_.parse(name)
    store = with_.store
    chosen = (with_.platform(platform),)
    if not isinstance(parsed, PathName):
        stored = store.lookup(str(parsed.reference))
        obtained = with_.obtain(parsed, chosen, policy, alongside=alongside)
        if stored != obtained.top and not parsed.reference.pinned:
            reference = parsed.reference
            if stored is not None and with_.settings.locked is not None:
                # To run an older image is no reason to move what a name stands for.
                reference = reference.with_digest(obtained.top.digest)
            store.tag(str(reference), obtained.top)
    else:
        obtained = with_.obtain(parsed, chosen, policy)
    return obtained.images[0]


def unpacking_alongside(
    with_: Collaborators, options: RunOptions | None = None, mode: str | None = None
) -> Alongside:
    """What unpacks images while their layers are fetched, for a run with some options."""

    def alongside(images: Sequence[Image]) -> AbstractContextManager[Progress]:
        from imgfetch.workflow.alongside import unpacking

        def unpack(content: BlobReader, progress: Progress) -> None:
            from imgfetch.interfaces import NoProgress

            # In a child: what there is to say about namespaces the parent says.
            with_.progress = NoProgress()
            mapping = _enter(with_) if options is None else enter_namespaces(with_, options)[1]
            with_.progress = progress
            snapshotter = with_.snapshotter(
                mapping, mode=mode, content=content, path=with_.settings.store
            )
            for image in images:
                snapshotter.prepare(image.layers)

        return unpacking(unpack, with_.store, with_.progress)

    return alongside


def decide_network(with_: Collaborators, options: RunOptions) -> tuple[Network, tuple[str, ...]]:
    """The network of a run that starts now, and what a private one can be made with.

    Raises:
        RuntimeFailedError: a private one was asked for, and can't be had.
    """
    mode = options.network.mode
    if mode in {"host", "none"}:
        return mode, ()
    from imgfetch.runtime.connectors import find_helpers

    try:
        return "private", find_helpers(with_.search_path)
    except RuntimeFailedError as error:
        if mode == "private":
            raise
        with_.progress.warn(
            f"the container shares this machine's network: {error.message}; {error.hint};"
            " --network host says that this is meant, --network none gives it none"
        )
        return "host", ()


def find_init(with_: Collaborators) -> str:
    """See `imgfetch.bundle.init.find_init`."""
    from imgfetch.bundle import init

    machine = Platform.from_machine(os.uname().machine)
    return init.find_init(with_.search_path, machine.architecture)


def mounted_images(
    with_: Collaborators, files: FileOptions, platform: str | None, policy: Policy
) -> dict[str, Image]:
    """The images that a run mounts, in the store; by reference."""
    from imgfetch.bundle.options import ImageMount

    references = [mount.reference for mount in files.mounts if isinstance(mount, ImageMount)]
    return {name: obtain(with_, name, platform, policy) for name in dict.fromkeys(references)}


def mount_maker(
    with_: Collaborators,
    snapshotter: Snapshotter,
    images: Mapping[str, Image],
    secrets: Sequence[bytes],
) -> MountMaker:
    """What makes the sources of mounts in the store."""
    from imgfetch.workflow.mounts import MountMaker

    store = with_.settings.store
    return MountMaker(f"{store}/volumes", f"{store}/locks", snapshotter, images, secrets)


def enter_namespaces(with_: Collaborators, options: RunOptions) -> tuple[RunOptions, IdMapping]:
    """Become root in namespaces of this process's own, with the ids that the options ask for.

    Returns:
        The options, with the user that comes of that, and the ids.

    Raises:
        InvalidOptionError: ids that contradict each other, or that a run can't do with.
        NamespaceError: the kernel refuses.
    """
    security = options.security
    keep_id = security.userns == "keep-id"
    if not (keep_id or security.uid_maps or security.gid_maps):
        return options, _enter(with_)
    if keep_id and (security.uid_maps or security.gid_maps):
        message = "--userns keep-id can't be used with --uidmap or --gidmap"
        raise InvalidOptionError(message)
    if keep_id and os.geteuid() == 0:
        return options, _enter(with_)  # root is root inside anyway
    if keep_id and options.process.user is None:
        user = f"{os.geteuid()}:{os.getegid()}"
        options = replace(options, process=replace(options.process, user=user))
    return options, _enter(with_, _wanted_ids(security))


def _wanted_ids(security: SecurityOptions) -> IdMapping:
    from imgfetch.fs.idmap import IdMapping
    from imgfetch.snapshot.rootless import keep_id

    if security.userns == "keep-id":
        return keep_id()
    uids, gids = security.uid_maps, security.gid_maps
    ids = IdMapping(uids or gids, gids or uids)
    for what, lines, own in (("user", ids.uids, os.geteuid()), ("group", ids.gids, os.getegid())):
        inside = any(line.inside == 0 for line in lines)
        outside = any(line.outside <= own < line.outside + line.size for line in lines)
        if not (inside and outside):
            message = f"the maps need {what} 0 inside, and your own {what} {own} outside"
            raise InvalidOptionError(
                message, hint="as in --uidmap 0:$(id -u):1 --uidmap 1:100000:65536"
            )
    return ids


def _enter(with_: Collaborators, ids: IdMapping | None = None) -> IdMapping:
    from imgfetch.snapshot.userns import enter

    if ids is not None:
        from imgfetch.fs.atomic import make_directories

        # Others than root inside have to get along with them, in runs with other ids.
        for name in ("runs", "runs/names", "snapshots", "locks"):
            make_directories(f"{with_.settings.store}/{name}")
    return enter(search_path=with_.search_path, warn=with_.progress.warn, ids=ids)
