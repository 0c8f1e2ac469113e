"""What is known of the OCI runtime that containers would be started with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgfetch.errors import RuntimeFailedError, RuntimeMissingError

if TYPE_CHECKING:
    from imgfetch.client.collaborators import Collaborators


@dataclass(frozen=True, slots=True)
class InstalledRuntime:
    """The OCI runtime of this machine.

    Attributes:
        path: of the program.
        version: what it says; None where it says nothing of the kind.
        known_escapes: whether containers can get out of that version, unless whoever
            packaged it has patched it.
    """

    path: str
    version: str | None
    known_escapes: bool


def installed_runtime(with_: Collaborators) -> InstalledRuntime | None:
    """See `StoreVerbs.installed_runtime`."""
    from imgfetch.runtime.version import has_known_escapes, runtime_version

    try:
        program = with_.runtime(None)
    except RuntimeMissingError:
        return None
    try:
        version = runtime_version(program)
    except RuntimeFailedError:
        version = None
    if version is None:
        return InstalledRuntime(program.path, None, known_escapes=False)
    return InstalledRuntime(program.path, str(version), has_known_escapes(program, version))
