"""The user of the process, looked up in the image's own passwd and group.

moby's ``user.GetExecUser``; image-spec conversion.md "Config.User". Numbers are
numbers: a passwd line whose name is a number is never found by it (CVE-2024-40635,
CVE-2026-46680).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ResolvedUser:
    """A user as the kernel knows it.

    Attributes:
        uid: user id.
        gid: primary group id.
        additional_gids: further groups, the primary among them (CVE-2022-36109 class).
        home: home directory from passwd, ``/`` where it has none.
    """

    uid: int = 0
    gid: int = 0
    additional_gids: tuple[int, ...] = ()
    home: str = "/root"
