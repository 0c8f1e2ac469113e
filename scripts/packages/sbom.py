"""What comes with imgfetch: a CycloneDX document for programs, a list of licences for people."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from scripts.packages.places import BIN, pip_install, run, version_of, wheel_in

_HEAD = """\
# What imgfetch {version} depends on

Made by `scripts/package sbom` from the versions that it is tested with; `imgfetch.cdx.json` says
the same in CycloneDX.

| package | version | licence |
|---|---|---|
"""


def build(directory: Path) -> list[Path]:
    """Makes both from an environment that has nothing but imgfetch and its dependencies."""
    wheel = wheel_in(directory)
    document = directory / "imgfetch.cdx.json"
    with tempfile.TemporaryDirectory() as name:
        environment = Path(name) / "venv"
        run(sys.executable, "-m", "venv", "--without-pip", environment)
        python = environment / "bin" / "python"
        pip_install("--python", python, wheel)
        run(
            *(BIN / "cyclonedx-py", "environment", python, "--output-reproducible"),
            *("--pyproject", "pyproject.toml", "--output-format", "JSON"),
            *("--output-file", document),
        )
    content = json.loads(document.read_text("utf-8"))
    _forget_this_machine(content)
    document.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", "utf-8")
    licences = directory / "LICENCES.md"
    rows = sorted(_row(component) for component in content["components"])
    licences.write_text(_HEAD.format(version=version_of(wheel)) + "".join(rows), "utf-8")
    return [document, licences]


def _forget_this_machine(content: dict[str, Any]) -> None:
    """Drops where files were installed from: paths of this machine, and no use elsewhere."""
    for component in content["components"]:
        component.pop("externalReferences", None)


def _row(component: dict[str, Any]) -> str:
    """A line of the table."""
    return f"| {component['name']} | {component['version']} | {_licences(component)} |\n"


def _licences(component: dict[str, Any]) -> str:
    """What a component says about its licence: expressions, identifiers or names."""
    said = component.get("licenses", [])
    expressions = [entry["expression"] for entry in said if "expression" in entry]
    named = [entry["license"] for entry in said if "license" in entry]
    names = [licence.get("id") or licence.get("name", "") for licence in named]
    # Identifiers first; texts of licences, which some packages give as a name, are no use here,
    # and classifiers (License :: …) only where there is nothing better.
    lines = [name for name in names if len(name.splitlines()) == 1]
    plain = [name for name in lines if "::" not in name]
    short = plain or [name.rpartition(":: ")[2] for name in lines]
    return "; ".join(dict.fromkeys(expressions or short)) or "not declared"
