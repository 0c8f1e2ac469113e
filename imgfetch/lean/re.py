"""`re`, loaded when a pattern is used for the first time: most of a run's are for bad input."""

from __future__ import annotations

# The values of `re.ASCII` and `re.IGNORECASE`, which are members of an enumeration there.
IGNORECASE = 2
DOTALL = 16
ASCII = 256


class _Pattern:
    """A pattern that is compiled when something is asked of it."""

    __slots__ = ("_arguments", "_compiled")

    def __init__(self, *arguments):
        self._arguments = arguments
        self._compiled = None

    def __getattr__(self, name):
        if self._compiled is None:
            import re

            self._compiled = re.compile(*self._arguments)
        return getattr(self._compiled, name)


def compile(pattern, flags=0):
    """See `re.compile`."""
    return _Pattern(pattern, flags)


def fullmatch(pattern, text, flags=0):
    """See `re.fullmatch`."""
    return compile(pattern, flags).fullmatch(text)


def search(pattern, text, flags=0):
    """See `re.search`."""
    return compile(pattern, flags).search(text)
