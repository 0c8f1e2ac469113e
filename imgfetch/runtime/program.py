"""Finding an OCI runtime, and what is known of the one found."""

from __future__ import annotations

import os

from imgfetch.errors import RuntimeFailedError, RuntimeMissingError
from imgfetch.fs.programs import find_program
from imgfetch.lean.dataclasses import dataclass

# crun does the same in less time; runc counts what the kernel kills for want of memory.
_PREFERRED = ("runc", "crun")


@dataclass(frozen=True, slots=True)
class RuntimeProgram:
    """A program that takes runc's command line.

    Attributes:
        path: absolute.
        is_crun: whether it is crun, which lacks some of runc's options.
    """

    path: str
    is_crun: bool = False

    @property
    def name(self) -> str:
        """The program's name, for people."""
        return os.path.basename(self.path)


def find_runtime(wanted: str | None, search_path: str) -> RuntimeProgram:
    """The runtime to use.

    Args:
        wanted: a name or a path; None for runc, else crun.
        search_path: as PATH.

    Raises:
        RuntimeMissingError: there is none; says what to install.
    """
    if wanted is not None and "/" in wanted:
        path = os.path.abspath(wanted)
        if not (os.path.isfile(path) and os.access(path, os.X_OK)):
            message = f"the OCI runtime {wanted} is not an executable file"
            raise RuntimeMissingError(message, hint="look for --runtime, IMGFETCH_RUNTIME")
        return _program(path)
    for name in (wanted,) if wanted else _PREFERRED:
        found = find_program(name, search_path)
        if found is not None:
            return _program(found)
    from imgfetch.remedies import INSTALL_RUNTIME

    names = wanted or " or ".join(_PREFERRED)
    message = f"no OCI runtime: {names} is not installed"
    raise RuntimeMissingError(message, hint=INSTALL_RUNTIME)


def _program(path: str) -> RuntimeProgram:
    name = os.path.basename(path)
    if name.startswith(_PREFERRED):
        return RuntimeProgram(path, is_crun=name.startswith("crun"))
    # It may be either of them under a name of somebody's own.
    from imgfetch.runtime.version import version_text

    try:
        return RuntimeProgram(path, is_crun=version_text(RuntimeProgram(path)).startswith("crun "))
    except RuntimeFailedError:
        return RuntimeProgram(path)  # what is wrong with it the run will tell
