"""What crun is to be kept from: it refuses hybrid cgroups, and gives the caller's files away."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NoReturn

from imgfetch.fs import linux
from imgfetch.fs.atomic import write_all
from imgfetch.lean import contextlib
from imgfetch.runtime.child import keep_descriptors

if TYPE_CHECKING:
    from collections.abc import Generator

_PIECE = 65536
_STDIN, _STDOUT = 0, 1

_UNIFIED = "/sys/fs/cgroup/unified"
_HARMLESS = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC


def hide_unified_cgroups(directory: str = _UNIFIED) -> None:
    """Let hybrid control groups look like version 1, which they are but for one hierarchy.

    crun refuses hybrid ones, even where it is told to leave all of them alone. It gets a
    directory of files in place of that hierarchy, and makes one of its own in there. Has to be
    called in a mount namespace of this process's own; where mounting is refused nothing
    changes, and crun says what it does not like.
    """
    if os.path.lexists(f"{directory}/cgroup.controllers"):
        with contextlib.suppress(OSError):
            linux.mount("none", directory, "tmpfs", _HARMLESS, "size=256k,mode=755")


@contextlib.contextmanager
def files_kept() -> Generator[None]:
    """Have programs started in this context read and write pipes where there are files.

    crun makes the container's user the owner of what the standard descriptors lead to: of the
    file that output goes to, even of the one that input comes from. runc has pipes in between.
    Standard error is seen to by `imgfetch.runtime.errorstream`.
    """
    with contextlib.ExitStack() as stack:
        for descriptor in (_STDIN, _STDOUT):
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                stack.enter_context(_between(descriptor))
        yield


@contextlib.contextmanager
def _between(descriptor: int) -> Generator[None]:
    """A pipe as one of the standard descriptors, and a process between it and the file."""
    read, write = os.pipe()
    ours, theirs = (write, read) if descriptor == _STDIN else (read, write)
    child = os.fork()
    if child == 0:
        _copy(*((_STDIN, ours) if descriptor == _STDIN else (ours, _STDOUT)))
    os.close(ours)
    own = os.dup(descriptor)
    os.dup2(theirs, descriptor)
    os.close(theirs)
    try:
        yield
    finally:
        os.dup2(own, descriptor)
        os.close(own)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)


def _copy(source: int, target: int) -> NoReturn:
    try:
        # Nobody else may have the other end of the pipe open, nor locks.
        keep_descriptors({source, target}, stdin=source == _STDIN)
        while piece := os.read(source, _PIECE):
            write_all(target, piece)
    except OSError:
        pass  # nobody reads any more, or the disk is full: the writer learns it from the pipe
    finally:
        os._exit(0)
