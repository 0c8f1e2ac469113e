"""JSON merge patches on a specification: RFC 7396, for ``--spec-patch``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgfetch.errors import InvalidOptionError

if TYPE_CHECKING:
    from collections.abc import Mapping


def merge_patch(target: object, patch: object) -> Any:  # noqa: ANN401 - JSON values
    """Apply a patch.

    Args:
        target: the value to change; it stays as it is.
        patch: objects are merged, ``null`` takes a member away, all else replaces.

    Returns:
        The changed value, which shares no object that was merged with ``target``.
    """
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def patched(document: dict[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """A specification with a patch applied, still one that a run can go on with.

    Raises:
        InvalidOptionError: what a run has to read of it makes no sense any more.
    """
    result: dict[str, Any] = merge_patch(document, dict(patch))
    mounts = _member(result, "mounts", list)
    _require("mounts", "objects", all(isinstance(mount, dict) for mount in mounts))
    for mount in mounts:
        mount.setdefault("type", "none")
        mount.setdefault("source", mount["type"])
        words = [*mount.setdefault("options", []), mount.get("destination")]
        _require("mounts", "strings", _are_texts([*words, mount["type"], mount["source"]]))
    process = _member(result, "process", dict)
    args, env = _member(process, "args", list), _member(process, "env", list)
    words = [*args, *env, process.get("cwd")]
    _require("process", "strings in args, env and cwd", bool(args) and _are_texts(words))
    user = _member(process, "user", dict)
    numbers = all(isinstance(user.get(name), int) for name in ("uid", "gid"))
    _require("process.user", "numbers", numbers)
    # crun then kills every process of the root cgroup at the end.
    path = _member(result, "linux", dict).get("cgroupsPath")
    _require("linux.cgroupsPath", "a path, or none at all", path != "")
    return result


def _member(value: Mapping[str, Any], name: str, kind: type) -> Any:  # noqa: ANN401 - of that kind
    member = value.get(name)
    _require(name, "an object" if kind is dict else "a list", isinstance(member, kind))
    return member


def _are_texts(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _require(name: str, expected: str, met: bool) -> None:  # noqa: FBT001 - reads as a sentence
    if not met:
        message = f"--spec-patch leaves {name} of the specification unusable"
        raise InvalidOptionError(message, expected=expected)
