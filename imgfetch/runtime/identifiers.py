"""Ids and names of containers.

Both become names of files and arguments of a runtime, so the grammar is strict: no
slash, no leading dash or dot (runc itself takes ``-x``).
"""

from __future__ import annotations

import os

from imgfetch.errors import InvalidOptionError
from imgfetch.lean import re

# moby's RestrictedNameChars, with a limit.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", re.ASCII)
_ID_BYTES = 32


def new_container_id() -> str:
    """A random id of 64 hexadecimal digits, as docker's; people see the first twelve."""
    return os.urandom(_ID_BYTES).hex()


def check_container_name(name: str) -> str:
    """A name for a container that a person chose.

    Raises:
        InvalidOptionError: outside the grammar.
    """
    if not _NAME.fullmatch(name):
        message = f"invalid container name {name[:140]!r}"
        raise InvalidOptionError(message, expected="[A-Za-z0-9][A-Za-z0-9_.-]*, at most 128")
    return name
