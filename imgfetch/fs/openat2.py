"""openat2(2), which Python's standard library does not have.

It lets the kernel keep a path below a directory (``RESOLVE_IN_ROOT``) or notice
that a path leaves a mount (``RESOLVE_NO_XDEV``), in one step and without races.
It is in Linux since 5.6, and container sandboxes may refuse it, so every caller
has a way to do without it.
"""

from __future__ import annotations

import errno
import os
import struct

from imgfetch.lean import ctypes, functools
from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

# The same number on every architecture: all system calls since 2019 are.
_SYS_OPENAT2 = 437
# The kernel gives EAGAIN when something was renamed while it resolved `..`.
_ATTEMPTS = 128


def openat2(directory: int, path: bytes, flags: int, resolve: int) -> int:
    """Open a path below a directory, as ``resolve`` has it.

    Args:
        directory: a directory's descriptor.
        path: relative to it; with ``RESOLVE_IN_ROOT`` it may also be absolute.
        flags: as of open(2); ``O_CLOEXEC`` is added, ``O_CREAT`` is not possible.
        resolve: ``RESOLVE_*``.

    Returns:
        A descriptor.

    Raises:
        OSError: as of openat2(2). See `is_unavailable`.
    """
    if b"\0" in path:
        raise OSError(errno.EINVAL, "embedded null byte", path)
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, 0, resolve)
    call = _syscall()
    number = ctypes.c_long(_SYS_OPENAT2)
    failure = errno.EAGAIN
    for _ in range(_ATTEMPTS):
        descriptor = call(number, ctypes.c_int(directory), path, how, ctypes.c_ulong(len(how)))
        if descriptor >= 0:
            return int(descriptor)
        failure = ctypes.get_errno()
        if failure not in {errno.EAGAIN, errno.EINTR}:
            break
    raise OSError(failure, os.strerror(failure), path)


def is_unavailable(error: OSError) -> bool:
    """Whether an error of `openat2` says that there is no such call here.

    Sandboxes answer EPERM or ENOSYS. Ask each time: a filter may be set later.
    """
    return error.errno in {errno.ENOSYS, errno.EPERM}


@functools.cache
def _syscall() -> Callable[..., int]:
    function = ctypes.CDLL(None, use_errno=True).syscall
    function.restype = ctypes.c_long
    return function
