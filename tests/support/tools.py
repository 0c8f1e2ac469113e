"""Programs that tests run, and what to install when one is missing.

A test that needs a program fails without it. It is never skipped: a skipped test looks like
a passed one to whoever reads the last line.
"""

from __future__ import annotations

import os
import shutil

import pytest

# Where a program has another name than the Debian package that holds it.
_PACKAGES = {
    "busybox": "busybox-static",
    "docker": "docker.io",
    "dockerd": "docker.io",
    "mkfs.exfat": "exfatprogs",
    "mount.exfat-fuse": "exfat-fuse",
    "newgidmap": "uidmap",
    "newuidmap": "uidmap",
    "nsenter": "util-linux",
    "pasta": "passt",
    "ps": "procps",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}

# An ordinary user's PATH may lack the directories where Debian puts runc.
_SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def require_tool(name: str) -> str:
    """Returns the path of a program, and fails the test if there is none.

    Args:
        name: the program's name, for example ``runc``.

    Returns:
        The absolute path of the program.
    """
    path = shutil.which(name, path=_SEARCH_PATH)
    if path is None:
        package = _PACKAGES.get(name, name)
        pytest.fail(
            f"this test needs {name}: run scripts/setup as root, or apt-get install {package}",
            pytrace=False,
        )
    return path
