"""Finding an init for ``--init``: a small static program that reaps processes.

It is bound into the image's root filesystem, so it has to do without a dynamic loader
and libraries, which an image may lack or have in other versions.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from imgfetch.bundle import elf
from imgfetch.errors import InvalidOptionError
from imgfetch.fs.programs import find_program

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMES: Final = ("docker-init", "catatonit", "tini-static", "tini")
# Where packages of docker and podman put theirs.
_DIRECTORIES: Final = (
    "/usr/libexec/docker",
    "/usr/libexec/podman",
    "/usr/libexec/catatonit",
    "/usr/lib/podman",
)


def find_init(search_path: str, architecture: str) -> str:
    """The path of an init on the host.

    Args:
        search_path: as PATH.
        architecture: the machine's, as Go names it.

    Raises:
        InvalidOptionError: there is none that can be used.
    """
    dynamic = None
    for path in _candidates(search_path):
        program = _read(path)
        if program is None or program.machine not in elf.MACHINES.get(architecture, ()):
            continue
        if program.interpreter is None:
            return path
        dynamic = dynamic or path
    from imgfetch.remedies import INSTALL_INIT

    actual = None if dynamic is None else f"{dynamic}, which needs a dynamic loader"
    message = "--init needs a static init, and none is installed"
    raise InvalidOptionError(message, actual=actual, hint=INSTALL_INIT)


def _candidates(search_path: str) -> Iterator[str]:
    path = os.pathsep.join((search_path, *_DIRECTORIES))
    return filter(None, (find_program(name, path) for name in _NAMES))


def _read(path: str) -> elf.Program | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # A script may have such a name too.
        return elf.read_program(fd) if os.pread(fd, 4, 0) == elf.MAGIC else None
    finally:
        os.close(fd)
