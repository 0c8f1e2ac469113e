"""Short names and what the user's configuration says that they stand for."""

from __future__ import annotations

from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.registry import registries_files

if TYPE_CHECKING:
    from collections.abc import Mapping


def candidates(name: str, environment: Mapping[str, str]) -> list[str]:
    """What a name that says no registry may stand for, the first choice first.

    Raises:
        InvalidReferenceError: it has to say its registry.
        UsageError: the configuration can't be read or understood.
    """
    home = environment.get("HOME") or "/nonexistent"
    bare = name.partition("@")[0].rpartition("/")[2].partition(":")[0]
    # A warm run has no time for reading TOML that says nothing about its image, and none for
    # `imgfetch.registry.configuration`, which reads everything else too.
    files = registries_files.paths(environment, home)
    if not registries_files.mention(files, bare):
        return [name]
    from imgfetch.lean.pathlib import Path
    from imgfetch.registry import registries_conf

    return registries_conf.load([Path(file) for file in files]).candidates(name)
