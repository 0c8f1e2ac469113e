"""One file with all dependencies, for machines where nothing can be installed.

What is compiled can't be imported out of a zip file, so the first start unpacks it into
`~/.shiv` (SHIV_ROOT names another place), and later ones use that.
"""

from __future__ import annotations

import sysconfig
import tempfile
from pathlib import Path

from scripts.packages.places import BIN, install_libraries, run, version_of, wheel_in


def build(directory: Path) -> list[Path]:
    """Makes the file; its name says which Python it is for."""
    wheel = wheel_in(directory)
    python = f"cp{sysconfig.get_config_var('py_version_nodot')}"
    platform = sysconfig.get_platform().replace("-", "_")
    made = directory / f"imgfetch-{version_of(wheel)}-{python}-{platform}.pyz"
    interpreter = f"/usr/bin/env python{sysconfig.get_python_version()}"
    with tempfile.TemporaryDirectory() as name:
        libraries = Path(name) / "libraries"
        install_libraries(libraries, wheel)
        run(
            *(BIN / "shiv", "--reproducible", "--compressed", "--python", interpreter),
            *("--entry-point", "imgfetch.cli.main:main", "--output-file", made),
            *("--site-packages", libraries),
        )
    return [made]
