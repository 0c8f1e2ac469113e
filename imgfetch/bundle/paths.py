"""Paths in a container, as text."""

from __future__ import annotations

import posixpath


def normalise(path: str) -> str:
    """A container's path without ``.``, ``..`` and double slashes; ``..`` stops at ``/``."""
    return posixpath.normpath("/" + path.lstrip("/"))
