"""The few calls of Linux that Python 3.11 has no function for.

Through ctypes. Each raises OSError with the kernel's errno; what the errno means to a
person is for the callers to say.
"""

from __future__ import annotations

import fcntl
import os

from imgfetch.lean import ctypes, functools
from imgfetch.lean.typing import Any, Final

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_SLAVE: Final = 1 << 19

MNT_DETACH: Final = 2

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
# ioctl_ficlone(2): _IOW(0x94, 9, int); the same on every architecture but alpha, mips, ppc, sparc.
_FICLONE = 0x40049409


def unshare(flags: int) -> None:
    """Leave some namespaces for new ones.

    For a user namespace the process has to be single-threaded.
    """
    _call("unshare", flags)


def setns(descriptor: int, kind: int = 0) -> None:
    """Enter the namespace behind a file descriptor."""
    _call("setns", descriptor, kind)


def mount(
    source: str, target: str, kind: str | None, flags: int = 0, data: str | None = None
) -> None:
    """Mount a file system. The kernel cuts ``data`` at a page: keep it under 4096 bytes."""
    words = (None if word is None else os.fsencode(word) for word in (source, target, kind))
    _call("mount", *words, flags, None if data is None else os.fsencode(data), path=target)


def unmount(target: str, flags: int = 0) -> None:
    """Unmount what is mounted at a path."""
    _call("umount2", os.fsencode(target), flags, path=target)


def syncfs(descriptor: int) -> None:
    """Write all of the file system that an open file is on to its disk."""
    _call("syncfs", descriptor)


def die_with_parent(signal_number: int) -> None:
    """Be sent a signal when the thread that forked this process ends.

    The kernel forgets it when credentials change or a setuid program is executed. The
    parent may have ended before: callers have to look once more afterwards.
    """
    _call("prctl", _PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def stay_inspectable() -> None:
    """Let processes of the same user see this one's namespaces.

    The kernel hides those of a process whose credentials have changed since it was executed.
    """
    _call("prctl", _PR_SET_DUMPABLE, 1, 0, 0, 0)


def clone_file(source: int, target: int) -> None:
    """Let one file share the blocks of another until either is written (ioctl_ficlone(2)).

    Raises:
        OSError: EOPNOTSUPP, EXDEV, EINVAL or ENOTTY where the file system can't.
    """
    fcntl.ioctl(target, _FICLONE, source)


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: Any, path: str | None = None) -> None:
    # An int passes as a C int otherwise; mount(2) and prctl(2) take unsigned longs.
    passed = [
        ctypes.c_ulong(argument) if isinstance(argument, int) else argument
        for argument in arguments
    ]
    if getattr(_libc(), name)(*passed) == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), path)
