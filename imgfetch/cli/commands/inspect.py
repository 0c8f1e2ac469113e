"""``imgfetch inspect``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import output
from imgfetch.cli.options import format_option, platform_option, registry_options

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation


@click.command("inspect")
@platform_option
@format_option
@registry_options
@click.argument("references", metavar="REF...", nargs=-1, required=True)
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    references: tuple[str, ...],
    platform: str | None,
    form: str,
    **flags: Any,
) -> None:
    """Show images' documents, from the store or else from where they are.

    JSON: a list of objects with name, digest, indexDigest (null without an index), mediaType,
    platform, created, size, layers (digest, diffID, mediaType, size), manifest and config
    as they are.
    """
    with invocation.client(**flags) as client:
        images = [client.inspect(reference, platform=platform) for reference in references]
    if form == "json":
        output.raw_json(images)
        return
    for number, image in enumerate(images):
        if number:
            output.result("")
        _describe(image)


def _describe(image: dict[str, Any]) -> None:
    process = image["config"].get("config") or {}
    rows = [
        ("name", image["name"]),
        ("digest", image["digest"]),
        ("index", image["indexDigest"]),
        ("platform", image["platform"]),
        ("created", image["created"]),
        ("size", output.human_size(image["size"])),
        ("user", process.get("User")),
        ("entrypoint", _words(process.get("Entrypoint"))),
        ("command", _words(process.get("Cmd"))),
        ("directory", process.get("WorkingDir")),
        *(("env", variable) for variable in process.get("Env") or ()),
        *(("label", f"{key}={value}") for key, value in (process.get("Labels") or {}).items()),
        *(
            ("layer", f"{layer['digest']} {output.human_size(layer['size'])}")
            for layer in image["layers"]
        ),
    ]
    for key, value in rows:
        if value:
            output.result(f"{key:<11}{value}")


def _words(words: list[str] | None) -> str:
    import shlex

    return shlex.join(words or ())
