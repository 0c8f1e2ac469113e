"""An option of a command as a value.

What an option is called and takes is said once. `imgfetch.cli.options` makes click's options
of it, and `imgfetch.cli.quick` reads command lines by it without loading click.
"""

from __future__ import annotations

from imgfetch.lean.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from typing import Literal

    Kind = Literal["flag", "switch", "count", "one", "many", "integer", "number"]


class Option(NamedTuple):
    """An option.

    Attributes:
        kind: ``flag`` is given or not; a ``switch`` has a second name that turns it off; a
            ``count`` counts; ``one`` and ``many`` take a text, once or any number of times;
            an ``integer`` and a ``number`` are of a range.
        names: with their hyphens, the long one last; of a switch that turns it off very last.
        text: what it does, for people.
        value: what stands for its value in help.
        choices: the only values; empty for any.
        least: of numbers.
        most: of numbers; None for no limit.
        default: where it is not given.
        field: what its value is called; by default as the option.
    """

    kind: Kind
    names: tuple[str, ...]
    text: str
    value: str | None = None
    choices: tuple[str, ...] = ()
    least: int = 0
    most: int | None = None
    default: Any = None
    field: str | None = None

    @property
    def name(self) -> str:
        """What its value is called."""
        if self.field is not None:
            return self.field
        long = next(name for name in self.names if name.startswith("--"))
        return long[2:].replace("-", "_")


def flag(*names: str, text: str, default: bool | None = False) -> Option:
    """One that is given or not."""
    return Option("flag", names, text, default=default)


def one(*names: str, value: str, text: str) -> Option:
    """One with a text."""
    return Option("one", names, text, value)


def many(*names: str, value: str, text: str) -> Option:
    """One with a text, any number of times."""
    return Option("many", names, text, value, default=())


def choice(name: str, *choices: str, text: str) -> Option:
    """One of a few texts."""
    return Option("one", (name,), text, choices=choices)
