"""``imgfetch tree``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import output
from imgfetch.cli.options import format_option, platform_option, pull_option, registry_options
from imgfetch.cli.shown import path_json

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation
    from imgfetch.layer.ledger import Carried
    from imgfetch.workflow.obtain import Policy
    from imgfetch.workflow.tree import CarriedLayer, ImageTree, Step

# Two components say more than usr and var.
_DEPTH = 2


@click.command("tree")
@click.option("--html", metavar="FILE", help="Write a page with a map of the bytes; - for stdout.")
@click.option("--files", is_flag=True, help="List every file of every layer.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@pull_option
@platform_option
@format_option
@registry_options
@click.argument("reference", metavar="REF")
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    reference: str,
    html: str | None,
    platform: str | None,
    policy: Policy,
    form: str,
    *,
    files: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Show where an image's bytes are: layer by layer, and those carried for nothing.

    The layers are read, and nothing is unpacked. Wasted is what a layer carries and upper
    layers replace or remove: it is stored and fetched all the same. Sizes are of files'
    content, uncompressed; holes and further names of a file count nothing.

    The page of --html is one file that needs no network and works without a server.

    JSON: name, digest, platform, compressed, size and wasted (bytes); steps, the lowest
    first, with created (null where it is not said), createdBy, comment and layer: null, or
    number (from 1), digest, diffID, compressed, stream (bytes of the tar), size, wasted,
    files, added, replaced, removed (names, directories left out); directories with path,
    size and wasted. With --files: files with path, size, layer and fate: null, or how
    (replaced, removed) and layer. Where a path is not UTF-8, rawPath has its bytes in base64.
    """
    target = None
    if html is not None:
        from imgfetch.cli.streams import output_target

        target = output_target(html)
    with invocation.client(**flags) as client:
        tree = client.tree(reference, platform=platform, policy=policy)
    if target is not None:
        from imgfetch.archive.output import open_output
        from imgfetch.cli.treemap.page import render

        with open_output(target) as write:
            write(render(tree).encode())
    elif form == "json" or as_json:
        output.raw_json(_as_json(tree, files=files))
    else:
        _print(tree, files=files)


def _print(tree: ImageTree, *, files: bool) -> None:
    from imgfetch.cli.drawing import terminal
    from imgfetch.cli.tree_text import draw, print_files, print_tables

    if files:
        print_files(tree)
        return
    screen = terminal()
    if screen is None:
        print_tables(tree, _DEPTH)
    else:
        draw(tree, screen, _DEPTH)


def _as_json(tree: ImageTree, *, files: bool) -> dict[str, Any]:
    fields = {
        "name": tree.name,
        "digest": str(tree.digest),
        "platform": tree.platform,
        "compressed": tree.compressed,
        "size": tree.size,
        "wasted": tree.wasted,
        "steps": [_step(step) for step in tree.steps],
        "directories": [
            {**path_json(path), "size": kept + wasted, "wasted": wasted}
            for path, (kept, wasted) in tree.directories(_DEPTH).items()
        ],
    }
    return {**fields, "files": [_file(file) for file in tree.files]} if files else fields


def _step(step: Step) -> dict[str, Any]:
    return {
        "created": step.created or None,
        "createdBy": step.created_by,
        "comment": step.comment,
        "layer": _layer(step.layer) if step.layer else None,
    }


def _layer(layer: CarriedLayer) -> dict[str, Any]:
    return {
        "number": layer.number + 1,
        "digest": str(layer.digest),
        "diffID": str(layer.diff_id),
        "compressed": layer.compressed,
        "stream": layer.stream,
        "size": layer.size,
        "wasted": layer.wasted,
        "files": layer.files,
        **layer.changes._asdict(),
    }


def _file(file: Carried) -> dict[str, Any]:
    fate = {"how": file.fate.how, "layer": file.fate.layer + 1} if file.fate else None
    return {**path_json(file.path), "size": file.size, "layer": file.layer + 1, "fate": fate}
