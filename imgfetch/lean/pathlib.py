"""`pathlib`, for paths of POSIX that are mostly joined and handed on.

Whatever else is asked of a path the original answers.
"""

from __future__ import annotations

import os


class Path:
    """See `pathlib.Path`."""

    __slots__ = ("_text",)

    def __init__(self, *parts):
        text = os.path.join(*parts) if parts else "."
        if text != os.path.normpath(text):
            text = str(_original(text))
        self._text = text

    def __truediv__(self, other):
        return Path(self._text, other)

    def __rtruediv__(self, other):
        return Path(other, self._text)

    def __str__(self):
        return self._text

    def __fspath__(self):
        return self._text

    def __repr__(self):
        return repr(_original(self._text))

    def __eq__(self, other):
        if isinstance(other, Path):
            return self._text == other._text
        return _original(self._text) == other

    def __hash__(self):
        return hash(_original(self._text))

    def __reduce__(self):
        return Path, (self._text,)

    @property
    def name(self):
        """The last part."""
        return "" if self._text == "." else self._text.rpartition("/")[2]

    @property
    def parent(self):
        """All but the last part."""
        return Path(os.path.dirname(self._text) or ".")

    def exists(self):
        """Whether there is something, at the end of links."""
        return os.path.exists(self._text)

    def read_text(self, encoding=None, errors=None):
        """All of a file."""
        with open(self._text, encoding=encoding, errors=errors) as file:
            return file.read()

    def read_bytes(self):
        """The same, not decoded."""
        with open(self._text, "rb") as file:
            return file.read()

    def write_text(self, data, encoding=None, errors=None):
        """Make it a file with that."""
        with open(self._text, "w", encoding=encoding, errors=errors) as file:
            return file.write(data)

    def __getattr__(self, name):
        return getattr(_original(self._text), name)


def _original(text):
    import pathlib

    return pathlib.Path(text)
