"""Executes a program for which one system call fails, as in a sandbox that does not know it.

    python -m tests.support.refused_call NUMBER ERRNO PROGRAM [ARGUMENT...]

seccomp(2): the filter stays with all that the program starts. Without CAP_SYS_ADMIN the kernel
wants no_new_privs, so this is for root.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

_PR_SET_SECCOMP = 22
_MODE_FILTER = 2
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
# struct sock_filter of linux/filter.h: code, jump if true, jump if false, operand.
_LOAD_WORD = 0x20
_JUMP_IF_EQUAL = 0x15
_RETURN = 0x06


def main() -> None:
    """Installs the filter and becomes the program."""
    number, error = map(int, sys.argv[1:3])
    steps = [
        (_LOAD_WORD, 0, 0, 0),  # the number of the call
        (_JUMP_IF_EQUAL, 0, 1, number),
        (_RETURN, 0, 0, _ERRNO | error),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    kept = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: how many steps, and where they are.
    program = struct.pack("@HP", len(steps), ctypes.addressof(kept))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, program, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    os.execvp(sys.argv[3], sys.argv[3:])  # noqa: S606 - no shell wanted


if __name__ == "__main__":
    main()
