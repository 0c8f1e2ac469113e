"""Finding programs on a search path that the caller gives."""

from __future__ import annotations

import os

_SYSTEM = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def find_program(name: str, search_path: str) -> str | None:
    """The absolute path of a program.

    Args:
        name: a file's name.
        search_path: directories as in PATH. Those where distributions put programs for
            administrators are looked through last: ordinary users lack them in PATH.

    Returns:
        None if there is no such program. Relative directories don't count: what is
        started must not depend on where the caller stands.
    """
    for directory in (*search_path.split(os.pathsep), *_SYSTEM):
        candidate = os.path.join(directory, name)
        if os.path.isabs(directory) and os.access(candidate, os.X_OK) and os.path.isfile(candidate):
            return candidate
    return None
