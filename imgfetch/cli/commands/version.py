"""``imgfetch version``."""

from __future__ import annotations

import platform

import click

from imgfetch import __version__
from imgfetch.cli import output
from imgfetch.cli.options import format_option


@click.command("version")
@format_option
def command(form: str) -> None:
    """Show the version of imgfetch and of the Python it runs on."""
    facts = {"imgfetch": __version__, "python": platform.python_version()}
    if form == "json":
        output.raw_json(facts)
    else:
        for name, value in facts.items():
            output.result(f"{name} {value}")
