"""What looking at the machine gives: the value that the rooms' checkups hand to ``doctor``.

A finding says what there is, and the next step where something is missing, in the words of
`imgfetch.remedies` or of the error that ``run`` would end with: who calls what ``run`` calls
and reports its error can't say anything else than ``run``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from imgfetch.remedies import DOCTOR

if TYPE_CHECKING:
    from imgfetch.errors import ImgfetchError

State = Literal["ok", "warning", "missing"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: its name, lower case words with hyphens or a program's name; stable.
        state: ``ok``; ``warning`` where something works worse than it could; ``missing``
            where something does not work.
        found: what there is, for people; never a secret.
        remedy: the next step a person can take; None where there is nothing to do.
        blocks: whether ``run`` can't work because of it.
    """

    check: str
    state: State
    found: str
    remedy: str | None = None
    blocks: bool = False


def ok(check: str, found: str) -> Finding:
    """Something that is as it should be."""
    return Finding(check, "ok", found)


def warning(check: str, found: str, remedy: str | None = None) -> Finding:
    """Something that ``run`` can do with, or without."""
    return Finding(check, "warning", found, remedy)


def missing(check: str, found: str, remedy: str | None = None, *, blocks: bool = False) -> Finding:
    """Something that can't be had."""
    return Finding(check, "missing", found, remedy, blocks)


def of_error(check: str, error: ImgfetchError, *, blocks: bool = False) -> Finding:
    """What ``run`` would fail with, as a finding: the same words, in one line."""
    remedy = None if error.hint == DOCTOR else error.hint
    found = error.message
    if error.expected is not None:
        found += f"; expected {error.expected}"
    if error.actual is not None:
        found += f"; got {error.actual}"
    return missing(check, found, remedy, blocks=blocks)
