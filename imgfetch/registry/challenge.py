"""``WWW-Authenticate`` challenges: the grammar of RFC 9110, section 11.6.1.

Several challenges may share one header or come in several, parameters may be tokens or
quoted strings with commas and escapes in them, names compare without case. What is
malformed ends the list: nothing is guessed out of it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.lean.dataclasses import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110 calls it so
_SCHEME = re.compile(rf"[ \t,]*({_TOKEN})(?=[ \t,]|$)", re.ASCII)
_TOKEN68 = re.compile(r" +([A-Za-z0-9._~+/-]+=*)[ \t]*(?=,|$)", re.ASCII)
_PARAMETER = re.compile(
    rf"[ \t,]*({_TOKEN})[ \t]*=[ \t]*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s,\"]+))[ \t]*(?=,|$)",
    re.ASCII,
)
_ESCAPED = re.compile(r"\\(.)")

# More than any server sends; a header can be 64 KiB long.
_LIMIT = 32


@dataclass(frozen=True, slots=True)
class Challenge:
    """How a server wants to be asked.

    Attributes:
        scheme: ``basic``, ``bearer``, …, lower case.
        parameters: values by lower-case name; of duplicates the first.
    """

    scheme: str
    parameters: Mapping[str, str]

    def get(self, name: str) -> str:
        """A parameter's value, "" when it is missing or empty."""
        return self.parameters.get(name, "")

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes of a bearer challenge, as they are."""
        return tuple(self.get("scope").split())


def parse(headers: Iterable[str]) -> list[Challenge]:
    """All challenges of all ``WWW-Authenticate`` headers, in order."""
    challenges: list[Challenge] = []
    for header in headers:
        position = 0
        while position < len(header) and len(challenges) < _LIMIT:
            scheme = _SCHEME.match(header, position)
            if scheme is None:
                break
            position, parameters = _parameters(header, scheme.end())
            challenges.append(Challenge(scheme[1].lower(), parameters))
    return challenges


def _parameters(header: str, position: int) -> tuple[int, dict[str, str]]:
    parameters: dict[str, str] = {}
    token68 = _TOKEN68.match(header, position)
    # "Negotiate abc=" is a token68: a parameter's value is never empty without quotes.
    if token68 is not None and not _PARAMETER.match(header, position):
        return token68.end(), parameters
    while len(parameters) < _LIMIT:
        found = _PARAMETER.match(header, position)
        if found is None:
            break
        quoted, bare = found[2], found[3]
        value = _ESCAPED.sub(r"\1", quoted) if quoted is not None else bare
        parameters.setdefault(found[1].lower(), value)
        position = found.end()
    return position, parameters
