"""What ``doctor`` looks at for ordinary users: newuidmap(1), newgidmap(1), subordinate ids."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from imgfetch import remedies
from imgfetch.findings import Finding, missing, ok, warning
from imgfetch.fs.programs import find_program
from imgfetch.snapshot.subids import granted

if TYPE_CHECKING:
    from collections.abc import Iterator

# Images of all distributions have ids below; 65534 is nobody.
_ENOUGH = 65536
_TOOLS = (("newuidmap", "cap_setuid"), ("newgidmap", "cap_setgid"))
_CAPABILITY = "security.capability"


def id_tools(search_path: str) -> Iterator[Finding]:
    """The programs that map subordinate ids: there, and with the privileges that this takes."""
    for name, capability in _TOOLS:
        program = find_program(name, search_path)
        if program is None:
            yield missing(name, "not installed", remedies.INSTALL_UIDMAP)
        else:
            yield _tool(name, program, capability)


def _tool(name: str, program: str, capability: str) -> Finding:
    remedy = remedies.set_privileges(program, capability)
    status = os.stat(program)
    setuid = bool(status.st_mode & stat.S_ISUID) and status.st_uid == 0
    if not (setuid or _has_capabilities(program)):
        return missing(name, f"{program} is neither setuid root nor has file capabilities", remedy)
    if os.statvfs(program).f_flag & os.ST_NOSUID:
        found = f"{program} is on a file system mounted nosuid: its privileges have no effect"
        return missing(name, found)
    return ok(name, f"{program}, {'setuid root' if setuid else 'with file capabilities'}")


def _has_capabilities(program: str) -> bool:
    try:
        return bool(os.getxattr(program, _CAPABILITY))
    except OSError:
        return False


def subordinate_ids(uid: int, directory: Path = Path("/etc")) -> Iterator[Finding]:
    """How many ids a user may map besides its own."""
    name = _name(uid)
    for file in ("subuid", "subgid"):
        ranges = granted(directory / file, (name, str(uid)))
        number = sum(one.size for one in ranges)
        remedy = remedies.add_subids(name, str(directory / file))
        if not ranges:
            yield missing(file, f"{directory / file} has no line for {name}", remedy)
        elif number < _ENOUGH:
            found = f"{number} ids for {name}; images have ids up to {_ENOUGH - 1}"
            yield warning(file, found, remedy)
        else:
            yield ok(file, f"{number} ids for {name}")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
