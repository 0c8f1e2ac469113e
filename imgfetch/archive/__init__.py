"""OCI layouts and archives, Docker archives and directories: reading and writing."""

from __future__ import annotations

from imgfetch.archive.transports import open_source

__all__ = ["open_source"]
