"""``imgfetch fsck``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import output
from imgfetch.cli.options import format_option, registry_options
from imgfetch.errors import StoreCorruptError

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation


@click.command("fsck")
@click.option("--repair", is_flag=True, help="Set damaged content aside, and fetch it again.")
@format_option
@registry_options
@click.pass_obj
def command(invocation: Invocation, /, form: str, *, repair: bool, **flags: Any) -> None:
    """Check the store: every blob is hashed again, names and unpacked layers are looked at.

    Exits with 11 when there is damage that was not repaired. --repair moves damaged blobs to
    quarantine/ in the store and fetches what images miss, unless --offline is given; unpacked
    layers that are damaged are removed, and unpacked again by the next run.

    JSON: a list of objects with kind (index, blob, image, snapshot), name (a path in the
    store, or an image's name), problem and repaired (what was done, null for nothing).
    """
    with invocation.client(**flags) as client:
        found = client.check(repair=repair)
    if form == "json":
        output.raw_json(
            [
                {
                    "kind": damage.kind,
                    "name": damage.name,
                    "problem": damage.problem,
                    "repaired": damage.repaired,
                }
                for damage in found
            ]
        )
    else:
        for damage in found:
            done = f" ({damage.repaired})" if damage.repaired else ""
            output.result(f"{damage.kind} {damage.name}: {damage.problem}{done}")
    left = [damage for damage in found if damage.repaired is None]
    if left:
        message = f"damage in the store that was not repaired: {len(left)}"
        raise StoreCorruptError(message, hint=None if repair else "imgfetch fsck --repair")
