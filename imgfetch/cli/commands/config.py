"""``imgfetch config``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import output, settings
from imgfetch.cli.options import format_option

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation

# Told that they are set, never what to.
_SECRET = frozenset({"creds"})


@click.command("config")
@format_option
@click.pass_obj
def command(invocation: Invocation, /, form: str) -> None:
    """Show each setting and where it comes from: flag, environment, config file, default.

    JSON: an object of setting to value and source.
    """
    sourced = settings.load(invocation.flags, invocation.config)
    shown = {
        name: {"value": _shown(name, entry.value), "source": entry.source}
        for name, entry in sourced.items()
    }
    if form == "json":
        output.raw_json(shown)
    else:
        rows = [(name, _as_text(entry["value"]), entry["source"]) for name, entry in shown.items()]
        output.table(("SETTING", "VALUE", "SOURCE"), rows)


def _shown(name: str, value: Any) -> Any:  # noqa: ANN401 - any setting
    return "(set)" if name in _SECRET and value is not None else value


def _as_text(value: Any) -> str:  # noqa: ANN401 - any setting
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ":".join(value) or "-"
    return "-" if value is None else str(value)
