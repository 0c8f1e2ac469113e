"""JSON merge patches on a specification: RFC 7396, for ``--spec-patch``."""

from __future__ import annotations

from typing import Any


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
