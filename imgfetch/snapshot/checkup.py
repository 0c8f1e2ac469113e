"""What ``doctor`` looks at in this room: namespaces and overlays, tried for real.

`namespaces`, `user_namespaces` and `overlay` change the process that they are called in, for
good: it has to be one of its own, with one thread. What they mount ends with it.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imgfetch import remedies
from imgfetch.errors import ImgfetchError, NamespaceError
from imgfetch.findings import Finding, missing, of_error, ok, warning
from imgfetch.fs import linux
from imgfetch.fs.filesystem import kind_of
from imgfetch.snapshot import refusals
from imgfetch.snapshot.fuse import find_fuse_overlayfs
from imgfetch.snapshot.overlayfs import LINKS, mount_overlay
from imgfetch.snapshot.userns import enter, read_status

if TYPE_CHECKING:
    from imgfetch.fs.idmap import IdMapping

_PROC = Path("/proc")
_FUSE = "/dev/fuse"
_FILE = "file"


def namespaces(search_path: str, *, proc: Path = _PROC) -> Finding:
    """Whether this process can become root in namespaces of its own, as a run does."""
    check = "namespaces"
    told: list[str] = []
    try:
        mapping = enter(search_path=search_path, warn=told.append, proc=proc)
    except ImgfetchError as error:
        return of_error(check, error, blocks=True)
    if mapping.initial:
        return ok(check, "containers have all ids of the machine")
    if not mapping.single:
        number = sum(line.size for line in mapping.uids)
        return ok(check, f"containers have {number} user ids")
    reason = "; ".join(told) or "only one user id can be used in containers: it is you"
    return warning(check, reason)


def user_namespaces(*, proc: Path = _PROC) -> Finding:
    """Whether a user namespace can be made at all, and what is set that may prevent it."""
    check = "user-namespaces"
    confinement = refusals.Confinement.of_self(proc)
    try:
        linux.unshare(linux.CLONE_NEWUSER)
    except OSError as error:
        return of_error(check, refusals.no_namespace(error, confinement))
    return ok(check, f"can be made ({_settings(confinement)})")


def confinement(*, proc: Path = _PROC) -> Finding:
    """What this process is not allowed: filters, profiles, privileges."""
    check = "confinement"
    if not read_status(proc):
        return missing(check, f"{proc} is not mounted", remedies.MOUNT_PROC, blocks=True)
    found = refusals.Confinement.of_self(proc)
    profile = _text(proc / "self/attr/current") or "none"
    seccomp = "filters system calls" if found.seccomp else "off"
    said = f"seccomp: {seccomp}; security profile: {profile}"
    if found.no_new_privs and os.geteuid() != 0:
        return warning(
            check,
            f"{said}; no_new_privs is set, so newuidmap has no effect",
            remedies.NO_NEW_PRIVS,
        )
    return ok(check, said)


def overlay(scratch: str, search_path: str) -> Finding:
    """Whether overlays can be mounted with what is written on a file system.

    Args:
        scratch: an empty directory on it.
        search_path: as PATH.
    """
    check = "overlay"
    kind = kind_of(scratch) or "the store's file system"
    mapping = enter(search_path=search_path, warn=lambda _: None)
    try:
        _try_overlay(f"{scratch}/disk", mapping)
    except (ImgfetchError, OSError) as error:
        on_disk = error
    else:
        return ok(check, f"works on {kind}")
    said = on_disk.message if isinstance(on_disk, ImgfetchError) else str(on_disk)
    memory = f"{scratch}/memory"
    try:
        os.mkdir(memory)
        linux.mount("none", memory, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV)
        _try_overlay(f"{memory}/tree", mapping)
    except (ImgfetchError, OSError):
        found = f"{said}; fuse-overlayfs does it, or a copy for each run"
        return warning(check, found)
    found = f"what containers write is kept in memory: no overlay on {kind}"
    return warning(check, found, remedies.OVERLAY_FILE_SYSTEM)


def _try_overlay(directory: str, mapping: IdMapping) -> None:
    """Mount an overlay of one layer, and change a file in it."""
    for name in ("", f"/{LINKS}", f"/{LINKS}/0", "/upper", "/work", "/root"):
        os.mkdir(f"{directory}{name}")
    with open(f"{directory}/{LINKS}/0/{_FILE}", "w", encoding="ascii") as file:
        file.write("below")
    mount_overlay(directory, 1, upper="upper", work="work", target="root", initial=mapping.initial)
    try:
        os.unlink(f"{directory}/root/{_FILE}")
        os.mkdir(f"{directory}/root/{_FILE}")
    except OSError as error:
        message = f"an overlay in {directory} can't be written to: {error.strerror}"
        raise NamespaceError(message) from error
    finally:
        linux.unmount(f"{directory}/root", linux.MNT_DETACH)


def fuse_overlayfs(search_path: str, device: str = _FUSE) -> Finding:
    """Whether overlays could be had without the kernel's."""
    check = "fuse-overlayfs"
    try:
        return ok(check, find_fuse_overlayfs(search_path, device))
    except NamespaceError as error:
        found = of_error(check, error)
        return replace(found, found=f"{found.found}; needed where the kernel mounts no overlay")


def _settings(confinement: refusals.Confinement) -> str:
    values = (
        ("user.max_user_namespaces", confinement.max_user_namespaces),
        ("kernel.unprivileged_userns_clone", confinement.userns_clone),
        ("kernel.apparmor_restrict_unprivileged_userns", confinement.apparmor_userns),
    )
    return ", ".join(f"{name}={value}" for name, value in values if value is not None) or "no limit"


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace").strip("\0\n ")
    except OSError:  # EINVAL too: where no security module has anything to say
        return ""
