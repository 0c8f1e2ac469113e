"""The images of the demonstration: a base, and a stencil on top of it.

A stencil is a lifecycle script of a data service, wrapped in an image so that it runs the same
everywhere: parameters come on standard input, credentials in the environment, and results go
to a mounted workspace.

    python -m tests.support.stencils LAYOUT
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.busybox import busybox_builder
from tests.support.contents import Dir, Executable, Whiteout
from tests.support.images import ImageBuilder

CREATE = """\
#!/bin/sh
# Creates a service instance: ./create NAME
set -eu
echo "creating $1 as $(id -un), pid $$"
while read -r parameter; do
    echo "  $parameter"
done
printf 'uri=postgres://%s@%s.internal\\n' "$SERVICE_USER" "$1" >/workspace/binding
echo "done"
"""


def stencil_builder() -> ImageBuilder:
    """The stencil: the base, a script, and no downloader any more."""
    return (
        busybox_builder()
        .layer(
            {
                "stencils": Dir(),
                "stencils/create": Executable(CREATE),
                "usr/bin/wget": Whiteout(),
                "workspace": Dir(),
            },
            "zstd",
        )
        .config(
            entrypoint=["/stencils/create"],
            cmd=["unnamed"],
            env=["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "SERVICE_USER=nobody"],
            working_dir="/workspace",
        )
    )


def main() -> None:
    """Writes both images into the layout named on the command line."""
    layout = Path(sys.argv[1])
    busybox_builder().write(layout, "base")
    stencil_builder().write(layout, "stencil")


if __name__ == "__main__":
    main()
