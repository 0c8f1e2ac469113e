"""``imgfetch version``."""

from __future__ import annotations

import platform
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from imgfetch import __version__
from imgfetch.cli import output
from imgfetch.cli.options import format_option

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation
    from imgfetch.client.runtimes import InstalledRuntime
    from imgfetch.errors import UsageError


@click.command("version")
@format_option
@click.pass_obj
def command(invocation: Invocation, /, form: str) -> None:
    """Show the versions of imgfetch, of the Python it runs on, and of the OCI runtime.

    Of runc it is said whether that version has known holes. Distributions patch them and
    keep the version: their security trackers know.

    JSON: imgfetch, python, and runtime (null where there is none) with path, version and
    known_escapes.

    Settings that can't be used are passed over, with a warning.
    """
    faults: list[UsageError] = []
    with invocation.client(faults=faults) as client:
        runtime = client.installed_runtime()
    for fault in faults:
        invocation.warn("; ".join(fault.lines()))
    facts = {"imgfetch": __version__, "python": platform.python_version()}
    if form == "json":
        output.raw_json({**facts, "runtime": asdict(runtime) if runtime else None})
        return
    for name, value in facts.items():
        output.result(f"{name} {value}")
    output.result(_line(runtime))


def _line(runtime: InstalledRuntime | None) -> str:
    if runtime is None:
        return "runtime none"
    line = f"runtime {runtime.path} {runtime.version or 'of unknown version'}"
    if not runtime.known_escapes:
        return line
    return f"{line}: unless patched, containers can get out (CVE-2025-31133, fixed in 1.2.8)"
