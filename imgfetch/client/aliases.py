"""Short names and what the user's configuration says that they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.registry import registries_files

if TYPE_CHECKING:
    from collections.abc import Mapping


def expanded(name: str, environment: Mapping[str, str]) -> str:
    """A name as the user wrote it, with its alias in its place where it has one.

    Raises:
        UsageError: the configuration can't be read or understood.
    """
    home = environment.get("HOME") or "/nonexistent"
    bare = name.partition("@")[0].rpartition("/")[2].partition(":")[0]
    # A warm run has no time for reading TOML that says nothing about its image.
    if not registries_files.mention(registries_files.paths(environment, home), bare):
        return name
    from pathlib import Path

    from imgfetch.registry import configuration

    return configuration.registries(environment, Path(home)).expanded(name)
