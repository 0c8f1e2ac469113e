"""What ``doctor`` looks at in this room: OCI runtimes, private networks, runs that were killed."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from imgfetch import remedies
from imgfetch.errors import RuntimeFailedError, RuntimeMissingError
from imgfetch.findings import Finding, missing, of_error, ok, warning
from imgfetch.fs.claim import is_claimed
from imgfetch.fs.programs import find_program
from imgfetch.runtime.connectors import find_helpers
from imgfetch.runtime.layout import DETACHED
from imgfetch.runtime.mountinfo import fresh_proc_allowed
from imgfetch.runtime.program import RuntimeProgram, find_runtime
from imgfetch.runtime.rundir import NAMES
from imgfetch.runtime.version import (
    filters_system_calls,
    has_known_escapes,
    version_in,
    version_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_KNOWN: Final = ("runc", "crun", "youki", "runsc")


def runtimes(wanted: str | None, search_path: str) -> Iterator[Finding]:
    """The OCI runtime that runs are started with, and the others that are installed.

    Args:
        wanted: name or path of the runtime; None for the first that there is.
        search_path: as PATH.
    """
    chosen = None
    try:
        chosen = find_runtime(wanted, search_path)
        yield _runtime("runtime", chosen, used=True)
    except RuntimeMissingError as error:
        yield of_error("runtime", error, blocks=True)
    for name in _KNOWN:
        path = find_program(name, search_path)
        if path is not None and (chosen is None or path != chosen.path):
            program = RuntimeProgram(path, is_crun=name == "crun")
            found = _runtime("another-runtime", program, used=False)
            # Nothing is missing that anybody would use unasked.
            yield found if found.state == "ok" else replace(found, state="warning")


def _runtime(check: str, program: RuntimeProgram, *, used: bool) -> Finding:
    try:
        text = version_text(program)
    except RuntimeFailedError as error:
        return of_error(check, error, blocks=used)
    version = version_in(text)
    said = f"{program.path}, {f'version {version}' if version else 'of unknown version'}"
    if filters_system_calls(program, text) is False:
        return missing(check, f"{said}, without seccomp", remedies.NO_SECCOMP, blocks=used)
    if version is not None and has_known_escapes(program, version):
        found = f"{said}; containers can get out of it (CVE-2025-31133, -52565, -52881)"
        return warning(check, found, remedies.UPDATE_RUNTIME)
    return ok(check, said)


def private_networks(search_path: str, *, wanted: bool) -> Finding:
    """Whether containers can have networks of their own.

    Args:
        search_path: as PATH.
        wanted: whether runs are to have them and no others.
    """
    try:
        helpers = ", else ".join(find_helpers(search_path))
        return ok("private-networks", f"made by {helpers}")
    except RuntimeFailedError as error:
        return of_error("private-networks", error, blocks=wanted)


def process_list(*, rootless: bool) -> Finding:
    """Whether containers can have a ``/proc`` of their own."""
    if not rootless or fresh_proc_allowed():
        return ok("proc", "containers have one of their own")
    found = "parts of it are hidden here, so containers get this one: they see processes outside"
    return warning("proc", found, remedies.UNMASKED_PROC)


def killed_runs(runs: str) -> Finding:
    """What runs that were killed have left; the next one clears it away."""
    try:
        found = [name for name in os.listdir(runs) if name != NAMES]
    except OSError:
        found = []
    left = 0
    for name in found:
        directory = f"{runs}/{name}"
        if not os.path.lexists(f"{directory}/{DETACHED}"):
            try:
                left += is_claimed(directory) is False
            except OSError:  # it has ended meanwhile
                continue
    said = f"{len(found)} containers" if found else "none"
    return ok("runs", f"{said}, {left} left by killed runs: the next run clears them away"
              if left else said)  # fmt: skip
