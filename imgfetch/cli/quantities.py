"""Sizes and ages as people write them on the command line, and times as JSON has them."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

_AGE = re.compile(r"([0-9]{1,9})([smhdw])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}


def _parsed(parse: Callable[[str], Any]) -> Callable[..., Any]:
    def callback(_context: click.Context, _option: click.Parameter, text: str | None) -> Any:  # noqa: ANN401 - what click stores
        return None if text is None else parse(text)

    return callback


def _size(text: str) -> int:
    from imgfetch.bundle.grammar import parse_size
    from imgfetch.errors import InvalidOptionError

    try:
        return parse_size(text)
    except InvalidOptionError as error:
        message = f"{text!r} is not a size; expected {error.expected}"
        raise click.BadParameter(message) from error


def _age(text: str) -> int:
    match = _AGE.fullmatch(text)
    if match is None:
        message = f"{text!r} is not an age; expected a number and one of s, m, h, d, w, e.g. 30d"
        raise click.BadParameter(message)
    return int(match[1]) * _SECONDS[match[2]]


def _moment(text: str) -> float:
    if _AGE.fullmatch(text):
        return time.time() - _age(text)
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"{text!r} is not a time; expected e.g. 10m, 2030-01-31T12:00:00Z or a number"
        raise click.BadParameter(message) from error
    return moment.timestamp()


size = _parsed(_size)
"""A callback for options that take a size: bytes."""

age = _parsed(_age)
"""A callback for options that take an age: seconds."""

moment = _parsed(_moment)
"""A callback for options that take a time or an age: seconds since the epoch."""


def timestamp(seconds: float | None) -> str | None:
    """A time as RFC 3339 has it, in UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
