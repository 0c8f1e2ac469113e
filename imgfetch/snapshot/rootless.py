"""A user namespace of this process's own: how somebody who is not root becomes root in one.

user_namespaces(7). With newuidmap and newgidmap there are the ids of /etc/subuid and
/etc/subgid, without only one's own. What follows is `imgfetch.snapshot.userns`'s.
"""

from __future__ import annotations

import errno
import os
import time

from imgfetch.errors import NamespaceError
from imgfetch.fs import linux
from imgfetch.fs.idmap import IdMapping, IdRange
from imgfetch.lean import contextlib
from imgfetch.lean.pathlib import Path
from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.snapshot import refusals
from imgfetch.snapshot.userns import read_status

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.snapshot.mapper import Mapper
    from imgfetch.snapshot.subids import Subids

_PATIENCE_MS = 1000
_SUBIDS = ("/etc/subuid", "/etc/subgid")


def _unshare(proc: Path) -> None:
    """Leave the user namespace and the mounts, which the kernel allows a single thread only.

    One that was joined has said that it ends: it is gone a moment later, on a busy machine
    some milliseconds.
    """
    patience = _PATIENCE_MS
    while True:
        try:
            linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
        except OSError as error:
            if error.errno != errno.EINVAL or not patience:
                raise
            if read_status(proc).get("Threads", "1") == "1":
                patience = 0  # it may be gone only now: once more
            else:
                patience -= 1
                time.sleep(0.001)
        else:
            return


def enter(search_path: str, warn: Callable[[str], None], proc: Path, *, many: bool) -> None:
    """Become root in a user namespace with all ids that can be had.

    Raises:
        NamespaceError: see `imgfetch.snapshot.userns.enter`, which has the arguments, too.
    """
    uid, gid = os.geteuid(), os.getegid()
    mapper = _mapper(uid, gid, search_path, proc) if many else None
    try:
        _unshare(proc)
    except OSError as error:
        if mapper:
            mapper.abandon()
        raise refusals.no_namespace(error, refusals.Confinement.of_self(proc)) from error
    refusal = mapper.map() if mapper else None
    if refusal is not None:
        _warn_of_single_id(refusal, warn, proc)
    try:
        if mapper is not None and refusal is None:
            os.setgroups([])
        else:
            _map_single(uid, gid, proc)
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    except OSError as error:
        confinement = refusals.Confinement.of_self(proc)
        raise refusals.no_mapping(error, confinement, root=uid == 0) from error


def keep_id() -> IdMapping:
    """Ids with which the caller is the same inside, beside its subordinate ids.

    Raises:
        NamespaceError: there are no subordinate ids, and so there would be no root inside.
    """
    from imgfetch.snapshot import subids

    uid, gid = os.geteuid(), os.getegid()
    uids, gids = _granted(uid)
    if not (uids and gids):
        message = "--userns keep-id needs subordinate ids: there would be no root in the container"
        from imgfetch.remedies import add_subids

        raise NamespaceError(message, hint=add_subids((*_names(uid), str(uid))[0], *_SUBIDS))
    return subids.kept(uid, gid, uids, gids)


def enter_with(ids: IdMapping, search_path: str, proc: Path) -> None:
    """Become root in a user namespace with certain ids.

    Raises:
        NamespaceError: these ids can't be had, or no namespace.
    """
    from imgfetch.snapshot.mapper import Mapper

    if os.geteuid() == 0:
        mapper = Mapper.writing(ids, proc)
    else:
        mapper = Mapper.calling_tools(ids, search_path)
    try:
        _unshare(proc)
    except OSError as error:
        mapper.abandon()
        raise refusals.no_namespace(error, refusals.Confinement.of_self(proc)) from error
    refusal = mapper.map()
    if refusal is not None:
        message = f"these ids can't be had: {refusal}"
        from imgfetch.remedies import READ_SUBIDS

        raise NamespaceError(message, hint=READ_SUBIDS)
    with contextlib.suppress(PermissionError):  # with no more than one's own group
        os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def _granted(uid: int) -> tuple[tuple[Subids, ...], tuple[Subids, ...]]:
    from imgfetch.snapshot import subids

    owners = (*_names(uid), str(uid))
    return (
        subids.granted(Path(_SUBIDS[0]), owners),
        subids.granted(Path(_SUBIDS[1]), owners),
    )


def _mapper(uid: int, gid: int, search_path: str, proc: Path) -> Mapper | None:
    """Who is going to write the maps; forked here, because it has to stay outside."""
    # Root in the first user namespace needs neither.
    from imgfetch.snapshot import subids
    from imgfetch.snapshot.mapper import Mapper

    if uid == 0:
        own = IdMapping.current(proc)
        if own.initial:
            # One less than there are: what this is must not look like the first namespace,
            # where root may do more (overlays, control groups, a /proc of its own).
            own = IdMapping(_but_the_last(own.uids), _but_the_last(own.gids))
        identity = IdMapping(_identity(own.uids), _identity(own.gids))
        return Mapper.writing(identity, proc)
    uids, gids = _granted(uid)
    if not (uids and gids):
        return None
    return Mapper.calling_tools(subids.mapping(uid, gid, uids, gids), search_path)


def _but_the_last(ranges: tuple[IdRange, ...]) -> tuple[IdRange, ...]:
    (line,) = ranges
    return (line._replace(size=line.size - 1),)


def _identity(ranges: tuple[IdRange, ...]) -> tuple[IdRange, ...]:
    return tuple(IdRange(inside, inside, size) for inside, _, size in ranges)


def _names(uid: int) -> tuple[str, ...]:
    import pwd  # root has no need of it

    try:
        return (pwd.getpwuid(uid).pw_name,)
    except KeyError:  # containers run under any uid, with no line in passwd
        return ()


def _map_single(uid: int, gid: int, proc: Path) -> None:
    """Map the one id that needs no privilege, where no map was written yet."""
    own = proc / "self"
    if not (own / "gid_map").read_text("ascii").strip():
        with contextlib.suppress(OSError):  # denied already, or a kernel without the file
            (own / "setgroups").write_text("deny", "ascii")
        (own / "gid_map").write_text(f"0 {gid} 1\n", "ascii")
    if not (own / "uid_map").read_text("ascii").strip():
        (own / "uid_map").write_text(f"0 {uid} 1\n", "ascii")


def _warn_of_single_id(refusal: str, warn: Callable[[str], None], proc: Path) -> None:
    if refusals.Confinement.of_self(proc).no_new_privs:
        refusal = f"{refusal} (no_new_privs is set)"
    warn(f"only one user id can be used in containers: {refusal}")
