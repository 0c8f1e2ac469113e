"""Where an image's bytes are, as text: drawn on a terminal, in tables anywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.cli import output
from imgfetch.cli.output import human_size
from imgfetch.cli.shown import clipped, clipped_path, columns, command_text, path_text, share

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imgfetch.cli.drawing import Terminal
    from imgfetch.layer.ledger import Carried
    from imgfetch.workflow.tree import CarriedLayer, ImageTree, Step

_LONGEST = 10
_FEW = 5
_COMMAND_WIDTH = 60
# "1023.9 MiB", which no size is wider than.
_SIZE_WIDTH = 10


def print_tables(tree: ImageTree, depth: int) -> None:
    """Layers, directories and the largest wasted files as tables."""
    headings = ("LAYER", "COMPRESSED", "SIZE", "WASTED", "ADDED", "REPLACED", "REMOVED")
    output.table((*headings, "CREATED BY"), map(_row, tree.steps))
    directories = list(tree.directories(depth).items())
    output.result("")
    output.table(
        ("SIZE", "WASTED", "DIRECTORY"),
        [
            (human_size(kept + wasted), human_size(wasted), path_text(path))
            for path, (kept, wasted) in directories[:_LONGEST]
        ],
    )
    if wasted_files := _largest_wasted(tree):
        output.result("")
        output.table(("WASTED", "LAYER", "FATE", "PATH"), map(_wasted_row, wasted_files))
    output.result("")
    for line in _summary(tree):
        output.result(line)


def print_files(tree: ImageTree) -> None:
    """Every file of every layer."""
    output.table(
        ("SIZE", "LAYER", "FATE", "PATH"),
        [
            (human_size(file.size), str(file.layer + 1), _fate(file), path_text(file.path))
            for file in sorted(tree.files, key=lambda file: (file.path, file.layer))
        ],
    )


def draw(tree: ImageTree, screen: Terminal, depth: int) -> None:
    """The same as tables say, with bars, for a terminal of any width."""
    lines = [screen.styled(clipped_path(output.safe(tree.name), screen.width), "bold")]
    lines += [screen.styled(line, "plain") for line in _wrapped(_summary(tree), screen.width)]
    lines += ["", *_drawn_steps(tree, screen)]
    if directories := list(tree.directories(depth).items())[:_LONGEST]:
        lines += _heading("Largest directories", screen)
        lines += _drawn_directories(directories, screen)
    if wasted_files := _largest_wasted(tree):
        lines += _heading("Largest files carried for nothing", screen)
        for file in wasted_files[:_FEW]:
            words = f"{human_size(file.size):>{_SIZE_WIDTH}}  "
            room = screen.width - len(words)
            lines.append(screen.styled(words, "wasted") + _path(file.path, room, screen))
            note = clipped(f"layer {file.layer + 1}, {_fate(file)}", room)
            lines.append(" " * len(words) + screen.styled(note, "faint"))
    output.drawn(lines)


def _drawn_steps(tree: ImageTree, screen: Terminal) -> Iterator[str]:
    whole = max((layer.size for layer in tree.layers), default=0)
    indent = len(str(len(tree.layers))) + 2
    room = screen.width - indent
    for step in tree.steps:
        command = clipped(_command(step) or "(nothing said)", room)
        layer = step.layer
        if layer is None:
            yield " " * indent + screen.styled(command, "faint")
            continue
        number = f"{layer.number + 1:>{indent - 2}}  "
        yield screen.styled(number, "faint") + screen.styled(command, "plain")
        size = f"{human_size(layer.size):<{_SIZE_WIDTH}}  "
        bar = screen.bar(max(room - len(size), 1), layer.size - layer.wasted, layer.wasted, whole)
        yield " " * indent + size + bar
        for line in _wrapped([_described(layer)], room):
            yield " " * indent + screen.styled(line, "faint")


def _drawn_directories(
    directories: Sequence[tuple[bytes, tuple[int, int]]], screen: Terminal
) -> Iterator[str]:
    names = [output.safe(path_text(path)) for path, _ in directories]
    width = min(max(map(columns, names)), screen.width * 2 // 5)
    whole = max(sum(sizes) for _, sizes in directories)
    for path, (kept, wasted) in directories:
        size = f"  {human_size(kept + wasted):>{_SIZE_WIDTH}}  "
        name = _path(path, width, screen)
        shown = clipped_path(output.safe(path_text(path)), width)
        bar = screen.bar(max(screen.width - width - len(size), 1), kept, wasted, whole)
        yield name + " " * (width - columns(shown)) + size + bar


def _heading(text: str, screen: Terminal) -> list[str]:
    return ["", screen.styled(clipped(text, screen.width), "bold")]


def _command(step: Step) -> str:
    # Made safe before it is cut, so that half an escape can't be left over.
    return output.safe(command_text(step.created_by, step.comment))


def _path(path: bytes, width: int, screen: Terminal) -> str:
    return screen.styled(clipped_path(output.safe(path_text(path)), width), "plain")


def _summary(tree: ImageTree) -> Iterator[str]:
    count = len(tree.layers)
    yield f"{tree.platform}  {tree.digest.short}"
    yield (
        f"{count} {'layer' if count == 1 else 'layers'}, "
        f"{human_size(tree.compressed)} compressed, {human_size(tree.size)} of files"
    )
    yield f"{human_size(tree.wasted)} ({share(tree.wasted, tree.size)}) carried for nothing"


def _described(layer: CarriedLayer) -> str:
    changes = layer.changes
    words = [f"{human_size(layer.compressed)} compressed"]
    words += [
        f"{count:,} {word}"
        for count, word in (
            (changes.added, "added"),
            (changes.replaced, "replaced"),
            (changes.removed, "removed"),
        )
        if count
    ]
    if layer.wasted:
        words.append(f"{human_size(layer.wasted)} wasted")
    return ", ".join(words)


def _wrapped(texts: Iterator[str] | Sequence[str], width: int) -> Iterator[str]:
    # Slow to import, and only used here.
    import textwrap

    for text in texts:
        yield from textwrap.wrap(text, max(width, 1))


def _row(step: Step) -> tuple[str, ...]:
    command = clipped(_command(step), _COMMAND_WIDTH)
    layer = step.layer
    if layer is None:
        return (*("-",) * 7, command)
    return (
        str(layer.number + 1),
        *map(human_size, (layer.compressed, layer.size, layer.wasted)),
        *map(str, layer.changes),
        command,
    )


def _largest_wasted(tree: ImageTree) -> list[Carried]:
    wasted = [file for file in tree.files if file.fate and file.size]
    return sorted(wasted, key=lambda file: (-file.size, file.path))[:_LONGEST]


def _wasted_row(file: Carried) -> tuple[str, ...]:
    return human_size(file.size), str(file.layer + 1), _fate(file), path_text(file.path)


def _fate(file: Carried) -> str:
    return f"{file.fate.how} in layer {file.fate.layer + 1}" if file.fate else "-"
