"""What is in the store, for completion: read, never made, and quickly.

Names are inserted into a command line as they are, and one of another's store may be
anything: only those are offered that mean nothing to a shell.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.cli import settings
from imgfetch.interfaces import NoProgress

if TYPE_CHECKING:
    from collections.abc import Iterator

    import click

    from imgfetch.client import Settings
    from imgfetch.runtime.containers import Container

_HARMLESS = re.compile(r"[A-Za-z0-9][\w./:@-]*", re.ASCII)
_SHORT_ID = 12
# What docker leaves out of names, the longest first.
_IMPLIED = ("docker.io/library/", "docker.io/")


def references(context: click.Context) -> Iterator[tuple[str, str]]:
    """The names in the store and its read-only ones, each with what it stands for."""
    from imgfetch.client.collaborators import Collaborators

    for name, descriptor in Collaborators(_settings(context), NoProgress()).store.entries():
        if name is not None and _HARMLESS.fullmatch(name):
            yield name, str(descriptor.digest)


def short(name: str) -> str:
    """A name as people write it."""
    implied = next(filter(name.startswith, _IMPLIED), "")
    return name.removeprefix(implied)


def containers(context: click.Context) -> Iterator[tuple[str, Container]]:
    """Detached containers by their names, or the beginning of their ids."""
    from imgfetch.client import Client

    for container in Client(_settings(context)).containers():
        name = container.name or container.container_id[:_SHORT_ID]
        if _HARMLESS.fullmatch(name):
            yield name, container


def _settings(context: click.Context) -> Settings:
    given = dict(context.find_root().params)
    config = given.pop("config", None)
    # What is wrong with other settings is no reason not to look.
    return settings.build(settings.load(given, config, []))
