"""docs/reference/json.md: every document for programs, as its schema describes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Schema = dict[str, Any]

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "reference" / "schemas"

_PARTS = {
    "What commands print": (
        *("images", "inspect", "history", "tree", "diff", "tags", "referrers"),
        *("ps", "df", "prune", "fsck", "lock", "sync", "doctor", "config", "auth-explain"),
        "version",
    ),
    "What runs leave": ("result",),
    "Standard error": ("event",),
    "Files": ("lock-file", "config-file"),
}

_HEAD = """\
# JSON

Documents for programs, each with a JSON Schema (2020-12) that tests hold the commands against.
The schemas are closed: what is not named is not there. Later versions may add fields and never
take one away or change its meaning, so take what you know and leave the rest.

- Commands print one document on standard output, or nothing where they fail. `fsck`,
  `diff --check`, `lock --check` and `doctor` print it, and then fail if what they found is bad.
- Sizes are in bytes. Times are in UTC, as RFC 3339 has them, except those that images say.
- Paths of images are text with escapes for what is no UTF-8; then their bytes come besides.
- Names of fields are written as in the image specification (`mediaType`), except in results of
  runs, ports, settings and `known_escapes`, which have underscores.
- Statuses and kinds of errors are [on a page of their own](errors.md).
- `spec` prints a [runtime specification](https://github.com/opencontainers/runtime-spec), which is
  not ours to describe.

"""


def page() -> str:
    """The whole page."""
    parts = [_part(title, names) for title, names in _PARTS.items()]
    return _HEAD + "\n".join(parts)


def names() -> list[str]:
    """The documents that the page describes."""
    return [name for group in _PARTS.values() for name in group]


def _part(title: str, group: tuple[str, ...]) -> str:
    return f"## {title}\n\n" + "\n".join(map(_document, group))


def _document(name: str) -> str:
    schema: Schema = json.loads((SCHEMAS / f"{name}.json").read_text("utf-8"))
    head = (
        f"### `{schema['title']}` {{: #{name} }}\n\n"
        f"{schema['description']} ([schema](schemas/{name}.json))\n\n"
    )
    if "oneOf" not in schema:
        return head + _table(schema, schema)
    return head + "\n".join(
        f"`event` is `{variant['properties']['event']['const']}`:\n\n{_table(variant, schema)}"
        for variant in schema["oneOf"]
    )


def _table(schema: Schema, whole: Schema) -> str:
    rows = [
        f"| `{path}` | {kind} | {_safe(text)} |\n"
        for path, kind, text in _rows(schema, whole, "")
        if path != "event"
    ]
    if not rows:
        return f"A {_kind(schema, whole)}.\n"
    return f"| field | | |\n|---|---|---|\n{''.join(rows)}"


def _rows(schema: Schema, whole: Schema, path: str) -> Iterator[tuple[str, str, str]]:
    """A line for each field, those inside others after these."""
    inner = _resolved(schema, whole)
    if inner.get("type") == "array":
        yield from _rows(inner["items"], whole, f"{path}[]")
        return
    for name, field in inner.get("properties", {}).items():
        below = f"{path}.{name}" if path else name
        yield below, _kind(field, whole), field.get("description", "")
        yield from _rows(field, whole, below)
    others = inner.get("additionalProperties")
    if isinstance(others, dict) and others.get("type") == "object":
        yield from _rows(others, whole, f"{path}*" if path else "*")


def _resolved(schema: Schema, whole: Schema) -> Schema:
    """A schema itself: not a reference, and not the choice between something and null."""
    for choice in schema.get("anyOf", ()):
        if choice.get("type") != "null":
            schema = choice
            break
    if "$ref" in schema:
        found: Schema = whole["$defs"][schema["$ref"].rpartition("/")[2]]
        return found
    return schema


def _kind(schema: Schema, whole: Schema) -> str:
    if "anyOf" in schema:
        kinds = [_kind(choice, whole) for choice in schema["anyOf"]]
        return " or ".join(dict.fromkeys(kinds))
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return name if name in {"digest", "platform", "time", "bytes"} else _named(schema, whole)
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    kinds = schema.get("type", "object")
    if kinds == "array":
        return f"list of {_kind(schema['items'], whole)}"
    return " or ".join(map(_word, [kinds] if isinstance(kinds, str) else kinds))


def _named(schema: Schema, whole: Schema) -> str:
    return _kind(_resolved(schema, whole), whole)


def _word(kind: str) -> str:
    return {"string": "text", "integer": "number", "array": "list"}.get(kind, kind)


def _safe(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
