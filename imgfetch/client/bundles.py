"""Verbs that make bundles out of images, and bare root filesystems."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imgfetch.client.containers import obtain
from imgfetch.errors import InvalidOptionError, NamespaceError, UsageError

if TYPE_CHECKING:
    from imgfetch.bundle.host import HostFacts, Network
    from imgfetch.bundle.options import RunOptions
    from imgfetch.client.collaborators import Collaborators
    from imgfetch.fs.idmap import IdMapping
    from imgfetch.interfaces import LayerApplier
    from imgfetch.oci.image import Image
    from imgfetch.workflow.obtain import Policy


@dataclass(frozen=True, slots=True)
class Unpacking:
    """How an image becomes a directory.

    Attributes:
        rootless: for an ordinary user to run, also when root asks.
        rootfs_only: the directory itself becomes the root filesystem.
        ids: what the image's users and groups become, for a container with a user
            namespace of these ids; None to leave them as they are.
        keep_dirlinks: a directory of a layer leaves a link to a directory in its place.
    """

    rootless: bool = False
    rootfs_only: bool = False
    ids: IdMapping | None = None
    keep_dirlinks: bool = False


def unpack(
    with_: Collaborators,
    name: str,
    directory: str,
    options: RunOptions | None,
    unpacking: Unpacking,
    *,
    platform: str | None,
    policy: Policy,
) -> None:
    """See `Client.unpack`."""
    from imgfetch.snapshot.unpacker import Unpacker
    from imgfetch.workflow.unpack import unpack_bundle, unpack_rootfs

    _check(unpacking)
    target = os.path.abspath(directory)
    with with_.store.lease():
        image = obtain(with_, name, platform, policy)
        host = _standalone_host(options, unpacking)
        applier = _applier(with_, host, unpacking)
        unpacker = Unpacker(
            with_.store,
            applier,
            with_.progress,
            # A link to a directory that is to be kept may be of a layer below.
            side_by_side=os.geteuid() == 0 and not unpacking.keep_dirlinks,
        )
        if unpacking.rootfs_only:
            unpack_rootfs(image, target, unpacker, owner=_root(unpacking))
            return

        def write_config(bundle: str) -> None:
            _write_config(with_, image, options, host, bundle, target)

        unpack_bundle(image, target, unpacker, write_config, owner=_root(unpacking))


def _check(unpacking: Unpacking) -> None:
    if unpacking.ids is None:
        return
    if unpacking.rootless:
        message = "maps of ids and --rootless contradict each other"
        raise UsageError(message, hint="--rootless maps root to the caller, and nobody else")
    if os.geteuid() != 0:
        message = "only root can give files to other users"
        raise InvalidOptionError(message, hint="leave the maps away: all files will be yours")


def _root(unpacking: Unpacking) -> tuple[int, int] | None:
    """Whose the root directory is that no layer says anything about."""
    if unpacking.ids is None:
        return None
    from imgfetch.layer.ownership import MappedOwners

    return MappedOwners(unpacking.ids.uids, unpacking.ids.gids).owner(0, 0)


def _applier(with_: Collaborators, host: HostFacts, unpacking: Unpacking) -> LayerApplier:
    """What applies layers; as an ordinary user, from here on in a user namespace."""
    from imgfetch.layer.applier import Applier
    from imgfetch.layer.options import ApplyOptions
    from imgfetch.layer.ownership import ExactOwners, MappedOwners, Owners, SingleOwner

    owners: Owners
    recorded = False
    if unpacking.ids is not None:
        owners = MappedOwners(unpacking.ids.uids, unpacking.ids.gids)
    elif host.user_namespace is None:
        owners = SingleOwner() if host.ids.single else ExactOwners()
    else:
        _enter_single(with_)
        owners, recorded = SingleOwner(), True
    return Applier(
        ApplyOptions(owners=owners, record_owners=recorded, keep_dirlinks=unpacking.keep_dirlinks)
    )


def _write_config(
    with_: Collaborators,
    image: Image,
    options: RunOptions | None,
    host: HostFacts,
    bundle: str,
    target: str,
) -> None:
    from imgfetch.bundle.directory import write_config
    from imgfetch.bundle.host import Place
    from imgfetch.runtime.identifiers import new_container_id
    from imgfetch.workflow.container import ContainerMaker

    chosen = options or _image_options(image)
    network: Network
    if chosen.network.mode == "auto":
        # As `runc spec` and `runc spec --rootless` have it.
        network = "host" if host.user_namespace and host.user_namespace.single else "none"
    elif chosen.network.mode == "private":
        message = "a bundle can't have a private network: it is made when a container starts"
        raise InvalidOptionError(message, hint="--network host or none, or imgfetch run")
    else:
        network = chosen.network.mode
    maker = ContainerMaker(host, with_.progress)
    root = f"{bundle}/rootfs"
    document = maker.make(
        image.config,
        chosen,
        Place(new_container_id(), network=network),
        root,
        directory=None if options is None else target,
    )
    if options is not None:
        maker.prepare(root, document)
    write_config(bundle, document)


def _image_options(image: Image) -> RunOptions:
    """An image's own way to run; a shell, as umoci has it, where it has none."""
    from imgfetch.bundle.options import ProcessOptions, RunOptions

    process = image.config.process
    args = () if process.entrypoint or process.cmd else ("sh",)
    return RunOptions(process=ProcessOptions(args=args))


def _standalone_host(options: RunOptions | None, unpacking: Unpacking) -> HostFacts:
    """The machine for a bundle that somebody is going to run by hand, later."""
    from imgfetch.bundle.probe import find_cgroups, host_facts
    from imgfetch.bundle.standalone import for_ordinary_user, single_id
    from imgfetch.fs.idmap import IdMapping

    mapping = IdMapping.current()
    privileged = options is not None and options.security.privileged
    host = host_facts(mapping, find_cgroups(mapping), privileged=privileged)
    if unpacking.ids is not None:
        return replace(host, user_namespace=unpacking.ids, may_raise_limits=False)
    if os.geteuid() == 0 and not unpacking.rootless:
        return host
    return for_ordinary_user(host, single_id(os.geteuid(), os.getegid()))


def _enter_single(with_: Collaborators) -> None:
    """Be root of files that are the caller's; where that is refused, be the caller."""
    if os.geteuid() == 0:
        return
    from imgfetch.snapshot.userns import enter

    try:
        enter(search_path=with_.search_path, warn=with_.progress.warn, many=False)
    except NamespaceError as error:
        with_.progress.warn(f"{error.message}: unpacking without a user namespace")
