"""Namespaces of this process's own, in which it is root: user_namespaces(7).

Owns the one way in: `enter`. Root with CAP_SYS_ADMIN needs a mount namespace only; all
others get a user namespace first, with as many ids as they can have. What comes
after (unpacking, mounting, starting the runtime) is the same for all of them.

Refuses to guess: who is root is decided by capabilities, never by the uid, and what
ids there are is read back from the kernel.
"""

from __future__ import annotations

from imgfetch.fs import linux
from imgfetch.fs.idmap import IdMapping
from imgfetch.lean.pathlib import Path
from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PROC = Path("/proc")
_CAP_SYS_ADMIN = 21


def enter(
    *,
    search_path: str,
    warn: Callable[[str], None],
    many: bool = True,
    ids: IdMapping | None = None,
    proc: Path = _PROC,
) -> IdMapping:
    """Become root in namespaces of this process's own; there is no way back.

    The process has to be single-threaded. Mounts made afterwards are seen by this
    process and its children only, and end with them.

    Args:
        search_path: where newuidmap and newgidmap are looked for, as PATH.
        warn: told why there is one id only, where there should be more.
        many: whether subordinate ids are wanted; without, there is one id, and all files
            belong to the caller.
        ids: those to have in a user namespace; None for all that can be had. The caller's
            own have to be among them, for the store is the caller's.
        proc: where procfs is mounted.

    Returns:
        The ids there are now.

    Raises:
        NamespaceError: the kernel refuses; says who blocks and what to do.
    """
    if ids is not None or not (_is_admin(proc) and _enter_mounts()):
        from imgfetch.snapshot import rootless  # root has no need of it

        if ids is not None:
            rootless.enter_with(ids, search_path, proc)
        else:
            rootless.enter(search_path, warn, proc, many=many)
    try:
        # Slave, not private: what the host unmounts must not stay busy because of us.
        linux.mount("none", "/", None, linux.MS_REC | linux.MS_SLAVE)
    except OSError as error:
        from imgfetch.snapshot import refusals

        raise refusals.no_mount(error, refusals.Confinement.of_self(proc)) from error
    return IdMapping.current(proc)


def _is_admin(proc: Path) -> bool:
    admin = is_admin(proc)
    if admin is None:
        from imgfetch.snapshot import refusals

        raise refusals.no_proc(proc)
    return admin


def _enter_mounts() -> bool:
    try:
        linux.unshare(linux.CLONE_NEWNS)
    except OSError:  # a seccomp filter can forbid what the capability allows
        return False
    return True


def read_status(proc: Path) -> dict[str, str]:
    """The fields of ``/proc/self/status``; none where there is no ``/proc``."""
    try:
        text = (proc / "self/status").read_text("utf-8", "surrogateescape")
    except OSError:
        return {}
    fields = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, _, value in fields}


def is_admin(proc: Path) -> bool | None:
    """Whether this process has CAP_SYS_ADMIN; None where there is no ``/proc`` to tell."""
    status = read_status(proc)
    return bool(int(status.get("CapEff", "0"), 16) >> _CAP_SYS_ADMIN & 1) if status else None
