"""``doctor``: the checkups of all rooms, put together for one store."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from imgfetch.client.registries import home, registry_settings
from imgfetch.errors import ImgfetchError
from imgfetch.findings import missing, of_error
from imgfetch.fs.removal import remove_tree
from imgfetch.remedies import OTHER_STORE
from imgfetch.workflow.doctor import examine
from imgfetch.workflow.isolated import Look

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from imgfetch.client.collaborators import Collaborators
    from imgfetch.findings import Finding
    from imgfetch.workflow.doctor import Diagnosis

# Those of a store that has images of more are asked one by one, by name.
_REGISTRIES: Final = 8
_TRIAL_SECONDS: Final = 60


def doctor(with_: Collaborators, registries: Iterable[str], known: Iterable[Finding]) -> Diagnosis:
    """See `StoreVerbs.doctor`."""
    asked = tuple(registries)
    with _scratch(with_.settings.store) as scratch:
        looks = [
            *_machine(with_),
            *_identity(with_),
            *_programs(with_),
            *_store(with_, scratch),
            *_registries(with_, asked),
        ]
        return examine(looks, known)


def _machine(with_: Collaborators) -> Iterator[Look]:
    from imgfetch.bundle import checkup
    from imgfetch.fs.idmap import IdMapping
    from imgfetch.registry.checkup import clock

    uname = os.uname()
    rootless = not _is_admin()
    yield Look("kernel", partial(checkup.kernel, uname.release, uname.machine, rootless=rootless))
    yield Look("cgroups", lambda: checkup.cgroups(IdMapping.current(), root=os.geteuid() == 0))
    yield Look("seccomp", checkup.seccomp)
    yield Look("terminals", checkup.terminals)
    installed = os.stat(__file__).st_mtime
    yield Look("clock", lambda: clock(time.time(), installed))
    yield Look("init", partial(checkup.init, with_.search_path))


def _identity(with_: Collaborators) -> Iterator[Look]:
    from imgfetch.runtime.checkup import process_list
    from imgfetch.snapshot import checkup, idtools

    path = with_.search_path
    yield Look("confinement", checkup.confinement)
    yield Look("user-namespaces", checkup.user_namespaces)
    yield Look("namespaces", partial(checkup.namespaces, path), needed=True)
    yield Look("proc", partial(process_list, rootless=not _is_admin()))
    if os.geteuid() != 0:
        yield Look("newuidmap", partial(idtools.id_tools, path))
        yield Look("subuid", partial(idtools.subordinate_ids, os.geteuid()))


def _programs(with_: Collaborators) -> Iterator[Look]:
    from imgfetch.runtime import checkup

    settings, path = with_.settings, with_.search_path
    yield Look("runtime", partial(checkup.runtimes, settings.runtime, path), needed=True)
    if settings.offline:  # it is not tried then
        private = settings.network == "private"
        yield Look("private-networks", partial(checkup.private_networks, path, wanted=private))
    yield Look("killed-runs", partial(checkup.killed_runs, f"{settings.store}/runs"))


def _store(with_: Collaborators, scratch: str | None) -> Iterator[Look]:
    from imgfetch.cas import checkup
    from imgfetch.client.trial import trial
    from imgfetch.snapshot.checkup import fuse_overlayfs, overlay

    settings = with_.settings
    path = with_.search_path
    yield Look("store", partial(checkup.store, settings.store), needed=True)
    for other in settings.store_ro:
        yield Look("read-only-store", partial(checkup.other_store, other))
    yield Look("space", partial(checkup.room, settings.store))
    if not _is_admin():
        yield Look("fuse-overlayfs", partial(fuse_overlayfs, path))
    yield Look("export", partial(_exporters, path))
    if scratch is None:
        found = f"nothing can be tried in {checkup.existing(settings.store)}"
        yield Look("container", lambda: missing("container", found, OTHER_STORE, blocks=True))
        return
    for name in ("file-system", "overlay", "container", "network"):
        os.mkdir(f"{scratch}/{name}")
    yield Look("file-system", partial(checkup.file_system, f"{scratch}/file-system"))
    yield Look("overlay", partial(overlay, f"{scratch}/overlay", path))
    yield Look(
        "container",
        partial(trial, settings, f"{scratch}/container", "container", "none", needed=True),
        needed=True,
        seconds=_TRIAL_SECONDS,
    )
    if not settings.offline:
        private = settings.network == "private"
        look = partial(_private_networks, with_, f"{scratch}/network", needed=private)
        yield Look("private-networks", look, needed=private, seconds=_TRIAL_SECONDS)


def _private_networks(with_: Collaborators, store: str, *, needed: bool) -> Finding:
    """Whether a container gets a network of its own, tried where the programs for it are there."""
    from imgfetch.client.trial import trial
    from imgfetch.runtime.checkup import private_networks

    found = private_networks(with_.search_path, wanted=needed)
    if found.state != "ok":
        return found
    tried = trial(with_.settings, store, found.check, "private", needed=needed)
    return found if tried.state == "ok" else tried


def _exporters(search_path: str) -> Iterator[Finding]:
    """The programs that write file systems, for ``export``."""
    from imgfetch import remedies
    from imgfetch.findings import ok
    from imgfetch.fs.programs import find_program

    for name, remedy in (
        ("mkfs.erofs", remedies.INSTALL_EROFS),
        ("mksquashfs", remedies.INSTALL_SQUASHFS),
    ):
        program = find_program(name, search_path)
        yield ok(name, program) if program else missing(name, "not installed", remedy)


def _registries(with_: Collaborators, asked: tuple[str, ...]) -> Iterator[Look]:
    from imgfetch.registry import checkup

    settings = with_.settings
    environment = settings.environment
    yield Look("registry-files", partial(checkup.files, environment, str(home(environment))))
    yield Look("proxies", partial(checkup.proxies, environment))
    yield Look("authorities", partial(checkup.authorities, environment, settings.ca))
    if settings.offline:
        return
    for name in asked or _known_registries(with_):
        yield Look("registry", partial(_registry, with_, name), seconds=30)


def _registry(with_: Collaborators, name: str) -> Iterator[Finding]:
    from imgfetch.registry.checkup import registry

    try:
        settings = registry_settings(with_.settings)
    except ImgfetchError as error:
        yield of_error("registry", error)
        return
    yield from registry(name, settings)


def _known_registries(with_: Collaborators) -> list[str]:
    """The registries of images in the store, and those that files are about."""
    from imgfetch.cas.reader import LayoutReader
    from imgfetch.oci.reference import Reference
    from imgfetch.registry.checkup import configured

    found: set[str] = set()
    with suppress(ImgfetchError, OSError):
        found |= configured(registry_settings(with_.settings))
    with suppress(ImgfetchError, OSError):
        for name, _ in LayoutReader(with_.settings.store).entries():
            with suppress(ImgfetchError):
                found.add(Reference.parse(name or "").repository.registry)
    # Where images are that come from no registry.
    found.discard("localhost")
    return sorted(found)[:_REGISTRIES]


def _is_admin() -> bool:
    """Whether this process is root with what that takes, as `snapshot.userns` decides it."""
    from pathlib import Path

    from imgfetch.snapshot.userns import is_admin

    return bool(is_admin(Path("/proc")))


@contextmanager
def _scratch(store: str) -> Generator[str | None]:
    """A directory on the store's file system, for as long as the block takes.

    Yields:
        None where none can be made.
    """
    from imgfetch.cas.checkup import existing
    from imgfetch.fs.beside import make_directory_beside

    try:
        path, descriptor = make_directory_beside(f"{existing(store)}/doctor")
    except OSError:
        yield None
        return
    try:
        yield path
    finally:
        _clear(path)
        os.close(descriptor)


def _clear(scratch: str) -> None:
    if os.geteuid() == 0:
        from imgfetch.runtime.rundir import collect_dead

        # Of a trial that took too long there may be control groups.
        for name in ("container", "network"):
            with suppress(ImgfetchError, OSError):
                collect_dead(f"{scratch}/{name}/runs")
    with suppress(ImgfetchError, OSError):
        remove_tree(scratch)
