"""`functools`, without collections and named tuples."""

from __future__ import annotations

from _functools import partial  # noqa: F401 - for others


def cache(function):
    """See `functools.cache`; for arguments by place."""
    known = {}

    def cached(*arguments):
        if arguments not in known:
            known[arguments] = function(*arguments)
        return known[arguments]

    cached.__wrapped__ = function
    cached.__doc__ = function.__doc__
    cached.cache_clear = known.clear
    return cached
