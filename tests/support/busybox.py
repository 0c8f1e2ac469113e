"""A test image that runs: Debian's static busybox and what a small userland expects."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

from tests.support.contents import Dir, Entry, Executable, File, Symlink, tar
from tests.support.images import ImageBuilder, WrittenImage
from tests.support.tools import require_tool

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
app:x:1000:1000:app:/home/app:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
"""

GROUP = """\
root:x:0:
daemon:x:1:
staff:x:50:app
app:x:1000:
audit:x:2000:app,daemon
nogroup:x:65534:
"""

_DIRECTORIES = ("bin", "dev", "etc", "home", "proc", "run", "sbin", "sys", "usr", "usr/bin",
                "usr/sbin", "var")  # fmt: skip


def busybox_image(layout: Path, ref: str | None = "busybox:1") -> WrittenImage:
    """Writes the image into a layout; see `busybox_builder`."""
    return busybox_builder().write(layout, ref)


def busybox_builder() -> ImageBuilder:
    """An image with busybox and its applets, ``sh`` as command, to build others on.

    It has the users root, daemon, app (1000, in the groups staff and audit) and nobody, a home
    for root and app, and ``/tmp``.
    """
    return (
        ImageBuilder()
        .layer(_busybox_layer())
        .config(cmd=["sh"], env=["PATH=/usr/sbin:/usr/bin:/sbin:/bin"])
    )


@functools.cache
def _busybox_layer() -> bytes:
    busybox = Path(require_tool("busybox"))
    applets = subprocess.run(
        [busybox, "--list-full"], check=True, capture_output=True, text=True, timeout=10
    ).stdout.split()
    contents: dict[str, Entry] = {path: Dir() for path in _DIRECTORIES}
    contents |= {
        "home/app": Dir(mode=0o750, uid=1000, gid=1000),
        "root": Dir(mode=0o700),
        "tmp": Dir(mode=0o1777),
        "etc/group": File(GROUP),
        "etc/passwd": File(PASSWD),
        "bin/busybox": Executable(busybox.read_bytes()),
    }
    for applet in applets:
        if applet not in contents and applet.rpartition("/")[0] in contents:
            contents[applet] = Symlink("/bin/busybox")
    return tar(contents)
