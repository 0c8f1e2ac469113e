"""The image of one program that does nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from imgfetch.bundle import elf
from imgfetch.cas.memory import MemoryStore
from imgfetch.oci.platform import Platform
from imgfetch.workflow.trial import program, store_image

OWN = Platform.from_machine(os.uname().machine).architecture


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_the_program_is_static_and_for_its_machine(architecture: str, tmp_path: Path) -> None:
    path = tmp_path / "exit"
    path.write_bytes(program(architecture) or b"")
    with path.open("rb") as file:
        found = elf.read_program(file.fileno())
    assert found is not None
    assert found.machine in elf.MACHINES[architecture]
    assert found.interpreter is None


def test_it_ends_with_0(tmp_path: Path) -> None:
    path = tmp_path / "exit"
    path.write_bytes(program(OWN) or b"")
    path.chmod(0o755)
    assert subprocess.run([path], check=False, timeout=20).returncode == 0


def test_for_other_machines_there_is_none() -> None:
    assert program("s390x") is None


def test_the_image_is_whole() -> None:
    store = MemoryStore()
    manifest = store_image(store, "amd64", b"program")
    assert b'"schemaVersion": 2' in store.read(manifest, 1 << 20)
