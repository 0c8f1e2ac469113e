"""The page of ``tree --html``: one file with everything in it.

Names in images are hostile input, and the page is opened by a person with a browser. What
goes into the markup is escaped for it; what goes into the script's data is JSON in ASCII
without ``<``, ``>`` and ``&``, and the script makes nothing but text of it. The page's own policy
(Content Security Policy Level 3) allows its one script and its one style sheet by their
hashes, no requests, and no markup made of strings by scripts (Trusted Types).
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from imgfetch import __version__
from imgfetch.cli.output import human_size, safe
from imgfetch.cli.shown import clipped_path, command_text, path_text, share

if TYPE_CHECKING:
    from imgfetch.layer.ledger import Carried
    from imgfetch.workflow.tree import ImageTree, Step

# What a browser draws without effort; the smallest files of a directory become one.
FILE_LIMIT = 40_000
_DEPTH_LIMIT = 60
_NAME_LIMIT = 200
_COMMAND_LIMIT = 1000
_LONGEST = 20
_FATES = {"replaced": 1, "removed": 2}
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


def render(tree: ImageTree) -> str:
    """The page, to be written as UTF-8."""
    room = files("imgfetch.cli.treemap")
    style, script, template = (
        room.joinpath(f"treemap.{kind}").read_text("utf-8") for kind in ("css", "js", "html")
    )
    texts = {
        "title": f"{safe(tree.name)}: where the bytes are",
        "platform": safe(tree.platform),
        "digest": str(tree.digest),
        "layers": str(len(tree.layers)),
        "compressed": human_size(tree.compressed),
        "size": human_size(tree.size),
        "wasted": human_size(tree.wasted),
        "share": share(tree.wasted, tree.size),
        "version": __version__,
        "policy": _policy(style, script),
    }
    values = {name: html.escape(text) for name, text in texts.items()}
    # Not escaped: our own, or escaped where they are made.
    values |= {
        # Long names are better broken where they have parts.
        "name": re.sub("([/:@])", r"\1<wbr>", html.escape(safe(tree.name))),
        "style": style,
        "script": script,
        "steps": "\n".join(map(_row, tree.steps)),
        "waste": _wasted(tree),
        "data": _embedded(_data(tree)),
    }
    return _PLACEHOLDER.sub(lambda found: values[found[1]], template)


def _policy(style: str, script: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'sha256-{_hash(script)}'",
            f"style-src 'sha256-{_hash(style)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _embedded(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """JSON that ends no script element, whatever is in it."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


# The map


def _data(tree: ImageTree) -> dict[str, Any]:
    directories = _Directories()
    columns: dict[str, list[Any]] = {
        name: [] for name in ("dir", "name", "size", "layer", "fate", "by", "count")
    }
    for directory, name, file, size, count in _gathered(tree.files):
        fate = file.fate
        row = {
            "dir": directories.number(directory),
            "name": name,
            "size": size,
            "layer": file.layer,
            "fate": _FATES[fate.how] if fate else 0,
            "by": fate.layer if fate else 0,
            "count": count,
        }
        for column, value in row.items():
            columns[column].append(value)
    return {
        "layers": [
            {"size": step.layer.size, "command": _command(step)}
            for step in tree.steps
            if step.layer is not None
        ],
        "dirs": directories.rows,
        "files": columns,
    }


_Row = tuple[tuple[bytes, ...], str | None, "Carried", int, int]


def _gathered(carried: tuple[Carried, ...]) -> list[_Row]:
    """Directory, name, file, size and count of what is drawn: files, or many small ones as one."""
    present = sorted((file for file in carried if file.size), key=lambda file: -file.size)
    rows: list[_Row] = []
    for file in present[:FILE_LIMIT]:
        directory, name = _taken_apart(file.path)
        rows.append((directory, _shown(name), file, file.size, 1))
    together: dict[Any, tuple[Carried, int, int]] = {}
    for file in present[FILE_LIMIT:]:
        directory, _ = _taken_apart(file.path)
        key = (directory, file.layer, file.fate)
        _, size, count = together.get(key, (file, 0, 0))
        together[key] = (file, size + file.size, count + 1)
    rows += [(key[0], None, *values) for key, values in together.items()]
    return rows


def _taken_apart(path: bytes) -> tuple[tuple[bytes, ...], bytes]:
    """A path's directories and its name; what is deeper than anybody looks is a name."""
    names = path.split(b"/", _DEPTH_LIMIT)
    return tuple(names[:-1]), names[-1]


class _Directories:
    """Numbers for directories: 0 is the root, and each comes after the one it is in.

    Attributes:
        rows: the number of the directory above, and the name.
    """

    def __init__(self) -> None:
        self.rows: list[tuple[int, str]] = [(0, "")]
        self._numbers: dict[tuple[bytes, ...], int] = {(): 0}

    def number(self, names: tuple[bytes, ...]) -> int:
        """The number of a directory."""
        known = self._numbers.get(names)
        if known is not None:
            return known
        above = self.number(names[:-1])
        self.rows.append((above, _shown(names[-1])))
        self._numbers[names] = len(self.rows) - 1
        return len(self.rows) - 1


def _shown(name: bytes) -> str:
    return clipped_path(safe(name.decode("utf-8", "backslashreplace")), _NAME_LIMIT)


def _command(step: Step) -> str:
    return safe(command_text(step.created_by, step.comment))[:_COMMAND_LIMIT]


# The tables


def _row(step: Step) -> str:
    command = f'<td class="made"><code>{html.escape(_command(step) or "-")}</code></td>'
    layer = step.layer
    if layer is None:
        return f'<tr class="empty"><td></td>{command}{_figures(("",) * 6)}</tr>'
    figures = (
        *map(human_size, (layer.compressed, layer.size, layer.wasted)),
        *(f"{number:,}" for number in layer.changes),
    )
    number = f"<td>{layer.number + 1}</td>"
    return f'<tr data-layer="{layer.number}">{number}{command}{_figures(figures)}</tr>'


def _figures(texts: tuple[str, ...]) -> str:
    return "".join(f'<td class="n">{html.escape(text)}</td>' for text in texts)


def _wasted(tree: ImageTree) -> str:
    files = [file for file in tree.files if file.fate and file.size]
    if not files:
        return ""
    largest = sorted(files, key=lambda file: (-file.size, file.path))[:_LONGEST]
    rows = "\n".join(map(_wasted_row, largest))
    return f"""<section>
<h2 id="waste-title">Largest files carried for nothing</h2>
<div class="scroll" role="region" aria-labelledby="waste-title" tabindex="0">
<table>
<thead><tr><th scope="col">Path</th><th scope="col" class="n">Size</th>
<th scope="col" class="n">Layer</th><th scope="col">Fate</th></tr></thead>
<tbody>{rows}</tbody>
</table>
</div>
</section>"""


def _wasted_row(file: Carried) -> str:
    path = html.escape(safe(path_text(file.path)))
    fate = f"{file.fate.how} in layer {file.fate.layer + 1}" if file.fate else ""
    return (
        f'<tr><td class="path">{path}</td><td class="n">{human_size(file.size)}</td>'
        f'<td class="n">{file.layer + 1}</td><td>{fate}</td></tr>'
    )
