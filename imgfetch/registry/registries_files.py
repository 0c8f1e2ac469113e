"""Which files of containers-registries.conf(5) count, in their order, and what they may say.

Apart from what reads them, since short names are looked up on every run: nothing here
parses, and importing it costs nothing.
"""

from __future__ import annotations

import os

from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SEARCHED = b"unqualified-search-registries"


def paths(environment: Mapping[str, str], home: str, system: str = "/etc") -> list[str]:
    """The files, later ones over earlier ones; they need not exist.

    A user's file is read instead of the system's; files in the drop-in directories are
    read after it, the system's before the user's.

    Args:
        environment: the user's variables.
        home: the user's home directory.
        system: where the system's configuration is.
    """
    named = environment.get("CONTAINERS_REGISTRIES_CONF")
    if named:
        return [named]
    own, common = f"{home}/.config/containers", f"{system}/containers"
    main = f"{own}/registries.conf"
    found = [main if os.path.isfile(main) else f"{common}/registries.conf"]
    for directory in (f"{common}/registries.conf.d", f"{own}/registries.conf.d"):
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            continue
        found += [f"{directory}/{name}" for name in names if name.endswith(".conf")]
    return found


def mention(files: Iterable[str], name: str) -> bool:
    """Whether a short name is in any of these files, or the registries to search for all.

    What can't be read counts as a mention: whoever parses the file is to say so.
    """
    wanted = name.encode()
    for path in files:
        try:
            with open(path, "rb", buffering=0) as file:
                raw = file.readall()
            if wanted in raw or (_SEARCHED in raw and _searches(raw)):
                return True
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return True
    return False


def _searches(raw: bytes) -> bool:
    # Most machines have the key in a comment.
    return any(line.lstrip(b" \t\"'").startswith(_SEARCHED) for line in raw.splitlines())
