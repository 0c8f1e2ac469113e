"""What differential tests share."""

from __future__ import annotations

from tests.support.cli import imgfetch

__all__ = ["imgfetch"]
