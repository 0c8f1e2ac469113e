"""Running a container for the sake of it: the one sure way to know whether ``run`` works."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from imgfetch.bundle.options import NetworkOptions, RunOptions
from imgfetch.client.collaborators import Collaborators
from imgfetch.errors import ImgfetchError
from imgfetch.findings import Finding, missing, of_error, ok, warning
from imgfetch.interfaces import NoProgress
from imgfetch.oci.platform import Platform
from imgfetch.workflow import trial as image

if TYPE_CHECKING:
    from imgfetch.client.settings import Settings


def trial(
    settings: Settings, store: str, check: str, network: Literal["none", "private"], *, needed: bool
) -> Finding:
    """Run a program that does nothing, with all that a run takes.

    Takes this process into namespaces of its own, as `Client.run` does.

    Args:
        settings: those of runs.
        store: an empty directory, for a store of the trial's own.
        check: name of the finding.
        network: of the container.
        needed: whether ``run`` can't work if this does not.
    """
    architecture = Platform.from_machine(os.uname().machine).architecture
    program = image.program(architecture)
    if program is None:
        return warning(check, f"none was tried: there is no program for {architecture}")
    own = replace(settings, store=store, store_ro=(), locked=None, offline=True, platform=None)
    try:
        status = _run(Collaborators(own, NoProgress()), architecture, program, network)
    except ImgfetchError as error:
        return of_error(check, error, blocks=needed)
    if status:
        found = f"a program that does nothing ended with status {status} in a container"
        return missing(check, found, blocks=needed)
    return ok(check, "one was run")


def _run(
    with_: Collaborators, architecture: str, program: bytes, network: Literal["none", "private"]
) -> int:
    from imgfetch.client.running import Supervision, run

    store = with_.own_store
    store.tag(image.NAME, image.store_image(store, architecture, program))
    options = RunOptions(network=NetworkOptions(mode=network))
    name = f"store:{image.NAME}"
    return run(with_, name, options, Supervision(), platform=None, policy="never")
