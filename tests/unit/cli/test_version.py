"""version: what is installed, the runtime included."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from imgfetch import __version__
from tests.support.commandline import CommandLine

_HOLES = ": unless patched, containers can get out (CVE-2025-31133, fixed in 1.2.8)"


@pytest.mark.parametrize(
    ("said_by_runtime", "version", "holes"),
    [
        ("runc version 1.2.7", "1.2.7", True),
        ("runc version 1.3.3", "1.3.3", False),
        ("something else", None, False),
    ],
)
def test_version_is_text_or_json(
    command_line: CommandLine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said_by_runtime: str,
    version: str | None,
    holes: bool,
) -> None:
    """S142: holes of the runtime are told where versions are asked for."""
    runtime = tmp_path / "runc"
    runtime.write_text(f"#!/bin/sh\necho '{said_by_runtime}'\n")
    runtime.chmod(0o755)
    monkeypatch.setenv("IMGFETCH_RUNTIME", str(runtime))
    python = platform.python_version()
    assert command_line("version").succeeded().lines == [
        f"imgfetch {__version__}",
        f"python {python}",
        f"runtime {runtime} {version or 'of unknown version'}{_HOLES if holes else ''}",
    ]
    said = command_line("version", "--format", "json").succeeded()
    assert said.json == {
        "imgfetch": __version__,
        "python": python,
        "runtime": {"path": str(runtime), "version": version, "known_escapes": holes},
    }
    assert command_line("--version").succeeded().lines == [f"imgfetch {__version__}"]


def test_version_does_without_a_runtime(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMGFETCH_RUNTIME", "no-such-runtime")
    assert command_line("version").succeeded().lines[-1] == "runtime none"
