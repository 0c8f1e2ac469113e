"""The scripts that shells load."""

from __future__ import annotations

from importlib.resources import files

SHELLS = ("bash", "zsh", "fish")


def script(shell: str) -> str:
    """The script for one of `SHELLS`."""
    return files("imgfetch.cli.completion").joinpath(f"imgfetch.{shell}").read_text("utf-8")
