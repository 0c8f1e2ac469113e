"""Command lines of ``run``, read without click, which takes longer to load than a run to begin.

Only what is beyond doubt is understood: names of options as they are written, values within
their range, an image. Everything else (``--help``, a mistake, an abbreviation) is left to
click, which has the right words for it; a property test holds the two against each other.
"""

from __future__ import annotations

from imgfetch.cli import flags, run_flags
from imgfetch.lean.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgfetch.cli.option import Option

COMMAND = "run"

# No option takes as many; `int` raises where there are thousands.
_DIGITS = 18

OPTIONS = (
    *run_flags.RUN,
    *run_flags.SUPERVISION,
    flags.PULL,
    flags.LOCKED,
    flags.PLATFORM,
    *flags.REGISTRY,
)
"""Those of ``run``, in the order of its help."""


class Understood(NamedTuple):
    """A command line of ``run``.

    Attributes:
        options: global ones, by name.
        values: of the command's options, by name.
        reference: the image.
        arguments: what follows it.
    """

    options: dict[str, Any]
    values: dict[str, Any]
    reference: str
    arguments: tuple[str, ...]


def understand(arguments: Sequence[str]) -> Understood | None:
    """A command line, if it is one of ``run`` and nothing about it is doubtful."""
    words = list(reversed(arguments))
    options = _options(flags.GLOBAL, words)
    if options is None or not words or words.pop() != COMMAND:
        return None
    values = _options(OPTIONS, words)
    if values is None or not words:
        return None
    reference = words.pop()
    return Understood(options, values, reference, tuple(reversed(words)))


def _options(known: Sequence[Option], words: list[str]) -> dict[str, Any] | None:
    """Take options off the end of reversed words, up to the first word that is none.

    Returns:
        The value of each known option, given or not; None where there is a doubt.
    """
    values = {option.name: option.default for option in known}
    by_name = {name: option for option in known for name in option.names}
    while words and words[-1].startswith("-"):
        word = words.pop()
        name, equals, value = word.partition("=")
        option = by_name.get(name)
        if not word.startswith("--"):
            if not _take_letters(by_name, word[1:], words, values):
                return None
        elif option is None or not _take(option, name, value if equals else None, words, values):
            return None
    return values


def _take_letters(
    by_name: dict[str, Option], letters: str, words: list[str], values: dict[str, Any]
) -> bool:
    """Take short options in one word; what follows one with a value is the value."""
    if not letters or "=" in letters[:2]:
        return False
    while letters:
        name, letters = f"-{letters[0]}", letters[1:]
        option = by_name.get(name)
        if option is None:
            return False
        value = None
        if option.kind not in {"flag", "count"} and letters:
            value, letters = letters, ""
        if not _take(option, name, value, words, values):
            return False
    return True


def _take(
    option: Option, name: str, value: str | None, words: list[str], values: dict[str, Any]
) -> bool:
    """Take one option, and its value from the next word if it has none yet."""
    field = option.name
    if option.kind in {"flag", "switch", "count"}:
        if value is not None:
            return False
        is_off = option.kind == "switch" and name == option.names[-1]
        values[field] = values[field] + 1 if option.kind == "count" else not is_off
        return True
    if value is None:
        if not words:
            return False
        value = words.pop()
    if option.kind == "many":
        values[field] += (value,)
        return True
    if option.kind == "one":
        values[field] = value
        return not option.choices or value in option.choices
    number = _number(option, value)
    values[field] = number
    return number is not None


def _number(option: Option, text: str) -> float | None:
    """The number that is meant, if it is plainly written and in the option's range."""
    digits = text.removeprefix("-")
    if option.kind == "number":
        digits = digits.replace(".", "", 1)
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS):
        return None
    number = int(text) if option.kind == "integer" else float(text)
    if number < option.least or (option.most is not None and number > option.most):
        return None
    return number
