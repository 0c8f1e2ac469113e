"""Bundles that are run by hand, with ``runc run -b DIR ID``.

A run of ours starts the runtime inside a user namespace that it made itself, so its
specification has none. Here nobody has: an ordinary user's bundle has to ask the
runtime for one, with the ids that user has (as ``runc spec --rootless`` does).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from imgfetch.fs.idmap import IdMapping, IdRange

if TYPE_CHECKING:
    from imgfetch.bundle.host import HostFacts


def single_id(uid: int, gid: int) -> IdMapping:
    """A user namespace in which a user is root, and there is nobody else."""
    return IdMapping((IdRange(0, uid, 1),), (IdRange(0, gid, 1),))


def for_ordinary_user(host: HostFacts, ids: IdMapping) -> HostFacts:
    """The machine as a runtime finds it that an ordinary user starts by hand.

    Args:
        host: the machine.
        ids: for the user namespace that the runtime makes.
    """
    return replace(
        host,
        rootless=False,
        user_namespace=ids,
        cgroup_version=None,
        controllers=frozenset(),
        may_raise_limits=False,
    )
