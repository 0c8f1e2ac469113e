"""``imgfetch lock``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import output
from imgfetch.cli.options import format_option, platforms_options, refuse_both, registry_options
from imgfetch.errors import PolicyError, UsageError

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation
    from imgfetch.workflow.lock import Change
    from imgfetch.workflow.lockfile import LockedImage

_ALL = "*"
_MARKS = {"added": "+", "removed": "-", "moved": "~", "changed": "~"}


@click.command("lock")
@click.option(
    "-f",
    "--file",
    "listed",
    metavar="FILE",
    help="All references that are to be locked, one a line, with # comments; - for stdin.",
)
@click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE",
    default="imgfetch.lock",
    show_default=True,
    help="The lock file.",
)
@click.option("--check", is_flag=True, help="Change nothing; exit with 16 if anything differs.")
@click.option(
    "--upgrade",
    metavar="[NAME]",
    is_flag=False,
    flag_value=_ALL,
    help="Move this image, or all of them, to what they stand for now.",
)
@platforms_options(
    one="Lock for this platform too; may be repeated.  [default: this machine's, for new images]",
    every="Lock for every platform of the images.",
)
@format_option
@registry_options
@click.argument("references", metavar="[REF...]", nargs=-1)
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    references: tuple[str, ...],
    listed: str | None,
    path: str,
    upgrade: str | None,
    platforms: tuple[str, ...],
    form: str,
    *,
    check: bool,
    all_platforms: bool,
    **flags: Any,
) -> None:
    """Write down which digests references stand for; nothing is stored.

    What is locked already stays as it is unless --upgrade is given; other images are added.
    With -f, images that are neither there nor among REF leave the lock file. --check compares
    the lock file with what all its references stand for now.

    Prints the changes: + added, - removed, ~ moved. JSON: a list of objects with kind (added,
    removed, moved, changed: only its platforms), reference, and before and after (null, or
    digest and platforms: platform, digest, size).
    """
    refuse_both(platforms, all_platforms=all_platforms)
    if check and upgrade is not None:
        message = "--check and --upgrade contradict each other"
        raise UsageError(message)
    names = [*references, *([] if listed is None else _listed(listed))]
    everything = check or upgrade == _ALL
    with invocation.client(**flags) as client:
        changes = client.lock(
            names,
            path=path,
            complete=listed is not None,
            platforms=platforms,
            all_platforms=all_platforms,
            upgrade=None if everything else [upgrade] if upgrade else [],
            write=not check,
        )
    if form == "json":
        output.raw_json([_as_json(change) for change in changes])
    else:
        for change in changes:
            output.result(_line(change))
    if check and changes:
        message = f"{path} is not what its references stand for: {len(changes)} differ"
        raise PolicyError(message, hint=f"to accept it: imgfetch lock --upgrade -o {path}")


def _listed(path: str) -> list[str]:
    try:
        with click.open_file(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path}: {getattr(error, 'strerror', None) or error}"
        raise UsageError(message) from error
    # Only at the start of a word: no reference has a # in it, and paths may.
    texts = (line.partition(" #")[0].strip() for line in lines)
    return [text for text in texts if text and not text.startswith("#")]


def _line(change: Change) -> str:
    digests = [str(one.digest) for one in (change.before, change.after) if one is not None]
    if change.kind == "changed":
        digests = [str(one.platform) for one in change.after.platforms] if change.after else []
        return f"{_MARKS[change.kind]} {change.reference} for {', '.join(digests)}"
    return f"{_MARKS[change.kind]} {change.reference} {' -> '.join(digests)}"


def _as_json(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "reference": str(change.reference),
        "before": _image(change.before),
        "after": _image(change.after),
    }


def _image(image: LockedImage | None) -> dict[str, Any] | None:
    if image is None:
        return None
    return {
        "digest": str(image.digest),
        "platforms": [
            {"platform": str(one.platform), "digest": str(one.digest), "size": one.size}
            for one in image.platforms
        ],
    }
