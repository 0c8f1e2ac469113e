"""TOML that is nothing but a table of aliases, as distributions have it for short names.

Every run of a short name reads it, and to load a parser of TOML takes longer than the run has
for all that. What is not of this form is left to the parser.
"""

from __future__ import annotations

_HEADER = "[aliases]"


def read(text: str) -> dict[str, dict[str, str]] | None:
    """The document, if there is nothing in it but comments and plain aliases; else None."""
    aliases: dict[str, str] = {}
    begun = False
    # A carriage return is nothing without what comes after it.
    for line in text.replace("\r\n", "\n").split("\n"):
        words = line.strip("\t ")
        if not words.replace("\t", " ").isprintable():
            return None
        if not words or words.startswith("#"):
            continue
        if words == _HEADER and not begun:
            begun = True
            continue
        key, _, value = words.partition("=")
        name, target = _quoted(key.rstrip("\t ")), _quoted(value.lstrip("\t "))
        if not begun or name is None or target is None or name in aliases:
            return None
        aliases[name] = target
    return {"aliases": aliases} if begun else {}


def _quoted(word: str) -> str | None:
    """What is between the quotes of a string without escapes."""
    inner = word[1:-1]
    plain = word[:1] == word[-1:] == '"' and len(word) > 1 and '"' not in inner
    return inner if plain and "\\" not in inner else None
