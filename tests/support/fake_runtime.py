"""An OCI runtime that runs nothing: it keeps the specification, and ends as it is told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SCRIPT = """#!/bin/sh
if [ "$1" = --version ]; then echo fake version 1.0; exit; fi
while [ $# -gt 1 ]; do
    case $1 in
        --pid-file) pid=$2; shift;;
        --bundle) bundle=$2; shift;;
        --log) log=$2; shift;;
    esac
    shift
done
printf '%s' "$1" >{kept}/id
cp "$bundle/config.json" {kept}/config.json
ls -A "$bundle" >{kept}/bundle
env >{kept}/environment
{body}
"""


@dataclass(frozen=True, slots=True)
class FakeRuntime:
    """A program that takes runc's command line.

    Attributes:
        program: its path.
        kept: the directory of what it saw.
    """

    program: Path
    kept: Path

    @property
    def spec(self) -> dict[str, Any]:
        """The specification that it was given."""
        document: dict[str, Any] = json.loads((self.kept / "config.json").read_bytes())
        return document

    @property
    def container_id(self) -> str:
        """The id that it was given."""
        return (self.kept / "id").read_text()

    @property
    def was_started(self) -> bool:
        """Whether it was started at all."""
        return (self.kept / "id").exists()


def fake_runtime(directory: Path, *, status: int = 0, error: str | None = None) -> FakeRuntime:
    """Makes a runtime.

    Args:
        directory: where; it is made.
        status: what the container ends with.
        error: what the runtime logs, if it fails before there is a container.
    """
    directory.mkdir()
    body = f'echo $$ >"$pid"\nexit {status}'
    if error is not None:
        line = json.dumps({"level": "error", "msg": error})
        body = f"cat >\"$log\" <<'END'\n{line}\nEND\nexit 1"
    program = directory / "runtime"
    program.write_text(_SCRIPT.format(kept=directory, body=body))
    program.chmod(0o755)
    return FakeRuntime(program, directory)
