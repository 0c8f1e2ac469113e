"""A Debian package: imgfetch with the Python packages that it needs, below /usr/lib/imgfetch.

They come along because Debian's own are older than what imgfetch needs; some are compiled, so the
package is for the release (its Python) and the architecture of the machine that makes it. Nothing
of it is seen by other Python programs.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sysconfig
import tempfile
from pathlib import Path

from imgfetch.cli.completion.script import script
from scripts.documentation import man
from scripts.packages.places import ROOT, epoch, install_libraries, run, version_of, wheel_in

_PROGRAM = """\
#!/usr/bin/python3 -I
import sys

sys.path.insert(0, "/usr/lib/imgfetch")

from imgfetch.cli.main import main

main()
"""

_CONTROL = """\
Package: imgfetch
Version: {version}
Architecture: {architecture}
Maintainer: The imgfetch developers <imgfetch@localhost>
Installed-Size: {size}
Depends: python3 (>= {python}), python3 (<< {next_python}~), runc | crun, uidmap, ca-certificates
Recommends: passt | slirp4netns, fuse-overlayfs, catatonit
Suggests: erofs-utils, squashfs-tools
Section: admin
Priority: optional
Description: fetch, keep and run container images without a daemon
 imgfetch pulls images of the Open Container Initiative and of Docker from
 registries, verifies them by digest, keeps them in an OCI image layout, unpacks
 them, and runs them with runc or crun, as root or as an ordinary user.
"""

# Compiled where they are installed: what Python writes there itself nobody would remove, and
# what py3clean does not know, the pack, has to go before its directory can.
_AFTER_INSTALLING = """\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    py3compile -p imgfetch /usr/lib/imgfetch
fi
"""

_BEFORE_REMOVING = """\
#!/bin/sh
set -e
rm -f /usr/lib/imgfetch/imgfetch/__pycache__/modules.*.pack
py3clean -p imgfetch
"""

_COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: imgfetch
Comment: The licences of the Python packages below /usr/lib/imgfetch are in the directory
 *.dist-info of each.

Files: *
Copyright: The imgfetch developers
License: Apache-2.0
 On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.
"""


def build(directory: Path) -> list[Path]:
    """Makes the package for this machine's Debian release and architecture."""
    wheel = wheel_in(directory)
    version = version_of(wheel)
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "imgfetch"
        install_libraries(tree / "usr" / "lib" / "imgfetch", wheel)
        _write(tree / "usr" / "bin" / "imgfetch", _PROGRAM, mode=0o755)
        _add_documentation(tree)
        _add_completion(tree)
        _add_control(tree, version)
        _settle(tree)
        made = directory / f"imgfetch_{version}_{_architecture()}.deb"
        run("dpkg-deb", "--root-owner-group", "-Zxz", "--build", tree, made)
    return [made]


def _add_documentation(tree: Path) -> None:
    """What Debian's policy asks for (12.1, 12.5, 12.7)."""
    documentation = tree / "usr" / "share" / "doc" / "imgfetch"
    _write(documentation / "copyright", _COPYRIGHT)
    changelog = (ROOT / "CHANGELOG.md").read_bytes()
    (documentation / "changelog.gz").write_bytes(gzip.compress(changelog, 9, mtime=0))
    manual = tree / "usr" / "share" / "man" / "man1"
    man.write(manual)
    for page in manual.iterdir():
        page.with_suffix(".1.gz").write_bytes(gzip.compress(page.read_bytes(), 9, mtime=0))
        page.unlink()


def _add_completion(tree: Path) -> None:
    """Where shells of Debian look by themselves."""
    share = tree / "usr" / "share"
    _write(share / "bash-completion" / "completions" / "imgfetch", script("bash"))
    _write(share / "zsh" / "vendor-completions" / "_imgfetch", script("zsh"))
    _write(share / "fish" / "vendor_completions.d" / "imgfetch.fish", script("fish"))


def _add_control(tree: Path, version: str) -> None:
    """The package's own files."""
    size = sum(path.lstat().st_size for path in tree.rglob("*") if path.is_file()) // 1024
    major, minor = sysconfig.get_python_version().split(".")
    control = _CONTROL.format(
        version=version,
        architecture=_architecture(),
        size=size,
        python=f"{major}.{minor}",
        next_python=f"{major}.{int(minor) + 1}",
    )
    _write(tree / "DEBIAN" / "control", control)
    _write(tree / "DEBIAN" / "postinst", _AFTER_INSTALLING, mode=0o755)
    _write(tree / "DEBIAN" / "prerm", _BEFORE_REMOVING, mode=0o755)


def _architecture() -> str:
    """Debian's word for what this machine is."""
    shown = subprocess.run(
        ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
    )
    return shown.stdout.strip()


def _write(path: Path, content: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, "utf-8")
    path.chmod(mode)


def _settle(tree: Path) -> None:
    """Gives everything one time, and modes that don't depend on who made it."""
    for path in [tree, *tree.rglob("*")]:
        executable = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if executable else 0o644)
        os.utime(path, (epoch(), epoch()))
