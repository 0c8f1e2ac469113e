"""Volumes, mounts and tmpfs as the command line writes them.

``--volume``, ``--mount``, ``--tmpfs`` and ``--secret`` with docker's meaning and a
closed grammar: an option that is not known, or given twice, is an error
(CVE-2024-9407), and nothing is ever made on the host because a source is missing.
Destinations are normalised here, lexically; symlinks in the image are followed below
its root by whoever makes the mount points.
"""

from __future__ import annotations

import posixpath

from imgfetch.bundle.grammar import parse_name, parse_size
from imgfetch.bundle.options import (
    BindMount,
    ImageMount,
    Mount,
    Propagation,
    Secret,
    TmpfsMount,
    VolumeMount,
)
from imgfetch.bundle.paths import normalise
from imgfetch.errors import InvalidMountError, InvalidOptionError
from imgfetch.lean.typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROPAGATIONS: Final[tuple[Propagation, ...]] = ("private", "rprivate", "slave", "rslave")
_SHARED: Final = ("shared", "rshared")
_TMPFS_FLAGS: Final = frozenset(
    (
        *("ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "sync", "async"),
        *("noatime", "atime", "nodiratime", "relatime", "strictatime"),
    )
)
_TMPFS_VALUES: Final = frozenset({"size", "mode", "uid", "gid", "nr_inodes", "nr_blocks"})
_TMPFS_DEFAULT: Final = ("nosuid", "nodev", "noexec")

_READ_ONLY_KEYS: Final = frozenset({"ro", "readonly"})
_SOURCE_KEYS: Final = frozenset({"src", "source"})
_DESTINATION_KEYS: Final = frozenset({"dst", "dest", "destination", "target"})
_KEYS: Final = {
    "bind": frozenset({"bind-propagation", "bind-nonrecursive"}),
    "tmpfs": frozenset({"tmpfs-size", "tmpfs-mode"}),
    "volume": frozenset[str](),
    "image": frozenset[str](),
}


def _invalid(text: str, what: str, expected: str, hint: str | None = None) -> InvalidMountError:
    return InvalidMountError(f"invalid {what} {text[:200]!r}", expected=expected, hint=hint)


def container_path(text: str, what: str) -> str:
    """A place to mount something on.

    Raises:
        InvalidMountError: not absolute, the root itself, or in ``/proc``, where the
            runtimes refuse mounts (CVE-2019-16884, CVE-2023-27561).
    """
    if not text.startswith("/") or not text.isprintable():
        raise _invalid(text, what, "an absolute path in the container")
    path = normalise(text)
    if path == "/":
        raise _invalid(text, what, "a path other than /")
    if path == "/proc" or path.startswith("/proc/"):
        raise _invalid(text, what, "a path outside /proc")
    return path


def _host_path(text: str, what: str, cwd: str) -> str:
    """A source: absolute, or relative when it says so with a leading dot."""
    if "\0" in text or "\n" in text:
        raise _invalid(text, what, "a path without line breaks")
    if text.startswith("/"):
        return posixpath.normpath("/" + text.lstrip("/"))
    if text in {".", ".."} or text.startswith(("./", "../")):
        return posixpath.normpath(posixpath.join(cwd, text))
    raise _invalid(text, what, "an absolute path, or one beginning with ./ or ../")


def parse_volume(text: str, *, cwd: str = "/") -> Mount:
    """``SRC:DST[:OPTIONS]`` or ``DST``; a source without a slash names a volume.

    Args:
        text: as written.
        cwd: what relative sources begin at.

    Raises:
        InvalidMountError: outside the grammar.
    """
    parts = text.split(":")
    if len(parts) > 3:  # noqa: PLR2004 - SRC:DST:OPTIONS
        hint = "for a path with a colon use --mount type=bind,src=...,dst=..."
        raise _invalid(text, "volume", "SRC:DST[:OPTIONS]", hint)
    if len(parts) == 1:
        return VolumeMount(None, container_path(text, "volume"))
    source, destination = parts[0], container_path(parts[1], "volume")
    options = _volume_options(text, parts[2].split(",") if len(parts) == 3 else [])  # noqa: PLR2004 - see above
    read_only = "ro" in options
    if "/" not in source and not source.startswith("."):
        if options - {"ro", "rw"}:
            raise _invalid(text, "volume", "only ro or rw for a named volume")
        return VolumeMount(_volume_name(source), destination, read_only)
    return BindMount(
        _host_path(source, "volume", cwd),
        destination,
        read_only,
        recursive="bind" not in options,
        propagation=next((p for p in _PROPAGATIONS if p in options), "rprivate"),
    )


def _volume_options(text: str, words: list[str]) -> set[str]:
    """The options of a volume: at most one of each group."""
    groups = (("ro", "rw"), ("bind", "rbind"), _PROPAGATIONS)
    for shared in _SHARED:
        if shared in words:
            hint = "mounts made in the container can't reach the host's mount namespace"
            raise _invalid(text, "volume", "another propagation", hint)
    if any(sum(word in group for word in words) > 1 for group in groups):
        raise _invalid(text, "volume", "options that do not contradict each other")
    known = {word for group in groups for word in group}
    unknown = next((word for word in words if word not in known), None)
    if unknown is not None:
        raise _invalid(text, "volume", "options " + ", ".join(sorted(known)))
    return set(words)


def _volume_name(text: str) -> str:
    try:
        return parse_name(text, "volume name")
    except InvalidOptionError as error:
        raise InvalidMountError(error.message, expected=error.expected) from error


def parse_tmpfs(text: str) -> TmpfsMount:
    """``DST[:OPTIONS]``; nosuid, nodev and noexec unless their opposites are given.

    Raises:
        InvalidMountError: outside the grammar.
    """
    path, _, rest = text.partition(":")
    words = rest.split(",") if rest else []
    for word in words:
        name, equals, value = word.partition("=")
        known = name in _TMPFS_VALUES if equals else name in _TMPFS_FLAGS
        if not known or (equals and not value.rstrip("%kmgKMG").isalnum()):
            expected = "DST[:OPTIONS] with options such as rw, exec, size=64m, mode=1777"
            raise _invalid(text, "tmpfs", expected)
    names = {word.partition("=")[0] for word in words}
    defaults = (word for word in _TMPFS_DEFAULT if word.removeprefix("no") not in names)
    options = tuple(dict.fromkeys((*defaults, *words)))
    return TmpfsMount(container_path(path, "tmpfs"), options)


def parse_mount(text: str, *, cwd: str = "/") -> Mount:
    """``type=bind|tmpfs|volume|image,dst=…[,src=…][,ro][,…]``, comma-separated values.

    Args:
        text: as written; a field with a comma in it is put in double quotes.
        cwd: what relative sources begin at.

    Raises:
        InvalidMountError: outside the grammar.
    """
    fields = _fields(text)
    kind = fields.pop("type", None) or "volume"
    source = _take(text, fields, _SOURCE_KEYS)
    destination = container_path(_take(text, fields, _DESTINATION_KEYS) or "", "mount destination")
    read_only = not _READ_ONLY_KEYS.isdisjoint(fields) and _flag(
        text, _take(text, fields, _READ_ONLY_KEYS)
    )
    unknown = next((key for key in fields if key not in _KEYS.get(kind, ())), None)
    if kind not in _KEYS or unknown is not None:
        wrong = kind if kind not in _KEYS else unknown
        raise _invalid(text, "mount", f"a type and keys that it has, not {wrong!r}")
    if kind == "tmpfs" and source is None:
        return TmpfsMount(destination, _tmpfs_options(text, fields, read_only=read_only))
    if kind == "volume":
        return VolumeMount(_volume_name(source) if source else None, destination, read_only)
    if not source or kind == "tmpfs":
        raise _invalid(text, "mount", "no source with type=tmpfs, else src=...")
    if kind == "image":
        return ImageMount(source, destination)
    return BindMount(
        _host_path(source, "mount source", cwd),
        destination,
        read_only,
        recursive=not _flag(text, fields.get("bind-nonrecursive", "false")),
        propagation=_propagation(text, fields.get("bind-propagation")),
    )


def parse_secret(text: str, *, cwd: str = "/") -> Secret:
    """``[id=NAME,]src=FILE[,target=PATH]``; the target is below ``/run/secrets``.

    Raises:
        InvalidMountError: outside the grammar.
    """
    fields = _fields(text)
    if fields.pop("type", "file") != "file":
        raise _invalid(text, "secret", "type=file")
    source = _take(text, fields, _SOURCE_KEYS)
    target = _take(text, fields, _DESTINATION_KEYS)
    name = fields.pop("id", None) or posixpath.basename(source or "")
    if fields or not source or not (name or target):
        raise _invalid(text, "secret", "id=NAME,src=FILE[,target=PATH]")
    target = target or _volume_name(name)
    return Secret(
        _host_path(source, "secret", cwd),
        container_path(posixpath.join("/run/secrets", target), "secret target"),
    )


def _fields(text: str) -> dict[str, str | None]:
    """``KEY[=VALUE]`` separated by commas, with the quoting of CSV."""
    import csv  # only a mount needs it, most runs have none

    try:
        row = next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise _invalid(text, "mount", "KEY=VALUE,KEY=VALUE") from error
    fields: dict[str, str | None] = {}
    for word in row:
        key, equals, value = word.partition("=")
        if not key or key in fields:
            raise _invalid(text, "mount", "KEY=VALUE,KEY=VALUE, each key once")
        fields[key] = value if equals else None
    return fields


def _take(text: str, fields: dict[str, str | None], keys: frozenset[str]) -> str | None:
    """Take out the value given under one of several names."""
    given = [key for key in fields if key in keys]
    if len(given) > 1:
        raise _invalid(text, "mount", f"only one of {', '.join(given)}")
    return fields.pop(given[0]) if given else None


def _flag(text: str, value: str | None) -> bool:
    """A key's value as a boolean; without a value it is given, so true."""
    if value not in {None, "true", "1", "false", "0"}:
        raise _invalid(text, "mount", "true or false")
    return value in {None, "true", "1"}


def _propagation(text: str, value: str | None) -> Propagation:
    if value is None:
        return "rprivate"
    chosen = next((word for word in _PROPAGATIONS if word == value), None)
    if chosen is None:
        raise _invalid(text, "mount", "bind-propagation=" + ", ".join(_PROPAGATIONS))
    return chosen


def _tmpfs_options(
    text: str, fields: Mapping[str, str | None], *, read_only: bool
) -> tuple[str, ...]:
    options = [*_TMPFS_DEFAULT, *(["ro"] if read_only else [])]
    size, mode = fields.get("tmpfs-size"), fields.get("tmpfs-mode")
    if size is not None:
        options.append(f"size={parse_size(size, 'tmpfs-size')}")
    if mode is not None:
        if not mode.isascii() or mode.strip("01234567") or not 1 <= len(mode) <= 5:  # noqa: PLR2004 - 01777
            raise _invalid(text, "mount", "tmpfs-mode=1777")
        options.append(f"mode={mode}")
    return tuple(options)
