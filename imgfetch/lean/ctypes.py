"""`ctypes` for calls of the C library with numbers and bytes.

The original describes a hundred types of C before anything is called.
"""

from __future__ import annotations

try:
    from _ctypes import (
        FUNCFLAG_CDECL,
        FUNCFLAG_USE_ERRNO,
        CFuncPtr,
        _SimpleCData,
        dlopen,
        get_errno,
    )
except ImportError:  # another Python
    from ctypes import CDLL, c_int, c_long, c_ulong, get_errno
else:

    class c_int(_SimpleCData):
        """See `ctypes.c_int`."""

        _type_ = "i"

    class c_long(_SimpleCData):
        """See `ctypes.c_long`."""

        _type_ = "l"

    class c_ulong(_SimpleCData):
        """See `ctypes.c_ulong`."""

        _type_ = "L"

    class _Function(CFuncPtr):
        _flags_ = FUNCFLAG_CDECL | FUNCFLAG_USE_ERRNO
        _restype_ = c_int

    class CDLL:
        """See `ctypes.CDLL`; with ``use_errno``."""

        def __init__(self, name, *, use_errno):
            if not use_errno:
                message = "see the original for functions that set no errno"
                raise TypeError(message)
            self._handle = dlopen(name, 0)

        def __getattr__(self, name):
            function = _Function((name, self))
            setattr(self, name, function)
            return function


__all__ = ["CDLL", "c_int", "c_long", "c_ulong", "get_errno"]
