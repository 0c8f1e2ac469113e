"""What of a store is whole after a power loss, found out from the system calls of a command.

The model is the worst that POSIX allows. Written bytes may be lost until their file was
synced, and each change of a directory until that directory was; what was not synced may also
be there already, alone and in any order. So for all that gets a name that says "complete"
the rest has to be synced before, and what a new name leads to, too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

Kind = Literal["data", "entry", "sync", "syncfs"]

WRITES = ("ftruncate", "write", "pwrite64", "writev")
ENTRIES = ("mkdir", "mkdirat", "mknodat", "linkat", "symlink", "symlinkat")
REMOVALS = ("rmdir", "unlink", "unlinkat")
CALLS = (*WRITES, *ENTRIES, *REMOVALS, "fdatasync", "fsync", "openat", "rename", "syncfs")

_WHOLE = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+)")
_BEGIN = re.compile(r"(\d+) +(\w+)\((.*) <unfinished \.\.\.>")
_END = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+)")
_PATH = re.compile(r'(?:\w+<([^>]*)>(?:, )?)?(?:"([^"]*)")?')

_BLOB = re.compile(r"blobs/\w+/\w+")
_NAMES = re.compile(r"oci-layout|index\.json|blobs/\w+/\w+|snapshots/\w+/(?!staging-)[\w-]+(/l)?")
_STAGING = re.compile(r"snapshots/\w+/staging-\w+")


@dataclass(frozen=True, slots=True)
class Event:
    """A call that had success.

    Attributes:
        call: its name.
        path: what it changed or synced, relative to the store.
        source: what it was renamed from.
        begin: line of the trace; what it changed may be on the disk from here on.
        end: line of the trace; a sync that begins later covers it.
    """

    call: str
    path: str
    begin: int
    end: int
    source: str | None = None

    def is_synced(self, events: Iterable[Event], before: int) -> bool:
        """Whether what it changed was on the disk before a line of the trace."""
        wanted = self.path if self.call in WRITES else os.path.dirname(self.path)
        return any(
            self.end <= other.begin
            and other.end <= before
            and (other.call == "syncfs" or other.path == wanted)
            for other in events
            if other.call in {"fsync", "fdatasync", "syncfs"}
        )


def read_trace(log: Path, store: Path) -> list[Event]:
    """What strace wrote with ``-f -y``; only what is below the store."""
    events = []
    begun: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(log.read_text(errors="replace").splitlines()):
        if match := _WHOLE.match(line):
            begin, (_, call, args, result) = number, match.groups()
        elif match := _BEGIN.match(line):
            begun[match[1]] = number, match[3]
            continue
        elif match := _END.match(line):
            begin, args = begun.pop(match[1])
            call, args, result = match[2], args + match[3], match[4]
        else:
            continue
        if int(result) >= 0:
            event = _event(call, args, os.fspath(store), begin, number)
            events += [event] if event else []
    return events


def _event(call: str, args: str, store: str, begin: int, end: int) -> Event | None:
    if call == "openat" and "O_CREAT" not in args:
        return None
    if call in {"symlink", "symlinkat"}:  # what it points to comes first
        args = args.partition('", ')[2]
    paths = [os.path.join(*filter(None, found)) for found in _PATH.findall(args) if any(found)]
    inside = [path[len(store) + 1 :] for path in paths if f"{path}/".startswith(f"{store}/")]
    if not inside:
        return None
    if call == "rename":
        source, target = inside
        return Event(call, target, begin, end, source)
    return Event(call, inside[-1] if call == "linkat" else inside[0], begin, end)


def faults(events: list[Event]) -> Iterator[str]:
    """What a power loss at some moment could leave half visible."""
    past: list[Event] = []
    moved: list[Event] = []
    for event in events:
        yield from _early(event, past, moved, events)
        past.append(event)
        if event.source is not None:
            moved.append(event)
            past = [_renamed(one, event.source, event.path) for one in past]
    for event in past:
        if _NAMES.fullmatch(event.path) and event.call == "rename":
            for needed in (event, *_way(event.path, past)):
                if not needed.is_synced(events, len(events) and events[-1].end):
                    yield f"{needed.path} is not there for certain when the command has ended"


def _early(
    event: Event, past: list[Event], moved: list[Event], events: list[Event]
) -> Iterator[str]:
    """What should have been on the disk before a call."""
    if event.source is not None and _NAMES.fullmatch(event.path):
        for one in _content(event.source, past):
            if not one.is_synced(events, event.begin):
                yield f"{event.path} gets its name before {one.call} of {one.path} is synced"
    if event.path == "index.json" and event.source is not None:
        blobs = [one for one in past if one.call == "rename" and _BLOB.fullmatch(one.path)]
        for needed in (one for blob in blobs for one in (blob, *_way(blob.path, past))):
            if not needed.is_synced(events, event.begin):
                yield f"index.json changes before {needed.path} is there for certain"
    if event.call in REMOVALS:
        for change in _last_names(event.path, moved):
            if not change.is_synced(events, event.begin):
                yield f"{event.path} is removed before the change of {change.path} is synced"


def _last_names(path: str, moved: list[Event]) -> Iterator[Event]:
    """The changes after which nothing names what is removed."""
    for one in moved:
        if one.path == "index.json" and _BLOB.fullmatch(path):
            yield one
        elif _is_below(path, one.path) and _NAMES.fullmatch(one.source or ""):
            yield replace(one, path=one.source or "")


def _content(source: str, past: list[Event]) -> list[Event]:
    """What a name leads to; a layer may have been made through a mount beside its directory."""
    staging = _STAGING.match(source)
    top = staging[0] if staging else source
    return [
        one for one in past if _is_below(one.path, top) or (one.path == top and one.call in WRITES)
    ]


def _way(path: str, past: list[Event]) -> list[Event]:
    """The directories on the way to a path that were made."""
    return [one for one in past if one.call == "mkdir" and _is_below(path, one.path)]


def _is_below(path: str, top: str) -> bool:
    return path.startswith(f"{top}/")


def _renamed(event: Event, source: str, target: str) -> Event:
    if event.path == source or _is_below(event.path, source):
        return replace(event, path=target + event.path[len(source) :])
    return event
