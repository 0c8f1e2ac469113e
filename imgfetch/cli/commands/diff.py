"""``imgfetch diff``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import output
from imgfetch.cli.options import format_option, platform_option, pull_option, registry_options
from imgfetch.cli.shown import path_json, path_text

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation
    from imgfetch.tar.entry import Entry
    from imgfetch.workflow.diff import Change, ImageDiff, Totals
    from imgfetch.workflow.obtain import Policy
    from imgfetch.workflow.settings_diff import SettingChange, Value

# As docker diff has them.
_LETTERS = {"added": "A", "removed": "D", "changed": "C"}


@click.command("diff")
@click.option("--stat", is_flag=True, help="Settings and totals only, no paths.")
@click.option("--times", is_flag=True, help="Another time makes a path different.")
@click.option("--check", is_flag=True, help="Exit with 16 if anything is different.")
@pull_option
@platform_option
@format_option
@registry_options
@click.argument("before", metavar="REF")
@click.argument("after", metavar="REF")
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    before: str,
    after: str,
    platform: str | None,
    policy: Policy,
    form: str,
    *,
    stat: bool,
    times: bool,
    check: bool,
    **flags: Any,
) -> None:
    """Show what is different between two images: settings, paths and bytes.

    A line for each path: A added, C changed, D deleted, and for C what is different: type,
    content, target (of a link), device, mode, owner, xattrs, time. Then the directories in
    the root, with files' bytes before and after; several names of a file count once. Images
    that are the same print nothing. Layers that both have at their bottom are read once.

    JSON: before and after with name, digest, platform, layers and compressed; sharedLayers
    (how many at the bottom are the same); settings with name, before, after (text, a list, or
    null); changes with path, kind (added, removed, changed), aspects, before and after: null,
    or type, size, mode (octal), uid, gid, target, xattrs (their names); onlyTimes (paths
    different in time only); directories with path, before and after (bytes), added, removed,
    changed (paths). Where a path is not UTF-8, rawPath has its bytes in base64.
    """
    with invocation.client(**flags) as client:
        diff = client.diff(before, after, times=times, platform=platform, policy=policy)
    if form == "json":
        output.raw_json(_as_json(diff, stat=stat))
    else:
        _print(diff, stat=stat)
    if check and not diff.is_empty:
        from imgfetch.errors import PolicyError

        message = f"{before} and {after} are not the same"
        raise PolicyError(message, expected=diff.before.digest, actual=diff.after.digest)


def _print(diff: ImageDiff, *, stat: bool) -> None:
    for setting in diff.settings:
        output.result(f"{setting.name}: {_shown(setting.before)} -> {_shown(setting.after)}")
    if not stat:
        for change in diff.changes:
            output.result(_line(change))
    if diff.changes:
        output.result("")
        rows = [
            _totals(path_text(path), totals)
            for path, totals in diff.directories.items()
            if totals.added or totals.removed or totals.changed
        ]
        headings = ("DIRECTORY", "ADDED", "REMOVED", "CHANGED", "BEFORE", "AFTER", "DELTA")
        output.table(headings, [*rows, _totals("all", diff.totals)])


def _line(change: Change) -> str:
    line = f"{_LETTERS[change.kind]} {path_text(change.path)}"
    return f"{line}  ({', '.join(change.aspects)})" if change.aspects else line


def _totals(name: str, totals: Totals) -> tuple[str, ...]:
    delta = totals.after - totals.before
    return (
        name,
        *map(str, (totals.added, totals.removed, totals.changed)),
        output.human_size(totals.before),
        output.human_size(totals.after),
        ("-" if delta < 0 else "+" if delta else "") + output.human_size(abs(delta)),
    )


def _shown(value: Value) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, str):
        return repr(value)
    import shlex

    return f"[{shlex.join(value)}]"


def _as_json(diff: ImageDiff, *, stat: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {
        side: {**asdict(image), "digest": str(image.digest)}
        for side, image in (("before", diff.before), ("after", diff.after))
    }
    fields |= {
        "sharedLayers": diff.shared_layers,
        "settings": [_setting(setting) for setting in diff.settings],
        "onlyTimes": diff.only_times,
        "directories": [
            {**path_json(path), **asdict(totals)} for path, totals in diff.directories.items()
        ],
    }
    return fields if stat else {**fields, "changes": [_change(change) for change in diff.changes]}


def _setting(setting: SettingChange) -> dict[str, Any]:
    return setting._asdict()


def _change(change: Change) -> dict[str, Any]:
    return {
        **path_json(change.path),
        "kind": change.kind,
        "aspects": list(change.aspects),
        "before": _entry(change.before),
        "after": _entry(change.after),
    }


def _entry(entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    return {
        "type": entry.kind,
        "size": entry.size,
        "mode": f"{entry.mode:04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "target": entry.target.decode("utf-8", "backslashreplace") or None,
        "xattrs": [name.decode("utf-8", "backslashreplace") for name, _ in sorted(entry.xattrs)],
    }
