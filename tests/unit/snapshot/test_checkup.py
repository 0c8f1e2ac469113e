"""What ``doctor`` says about namespaces, ids and overlays, with files in the machine's place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgfetch.errors import NamespaceError
from imgfetch.snapshot.checkup import confinement, fuse_overlayfs
from imgfetch.snapshot.idtools import id_tools, subordinate_ids
from imgfetch.snapshot.userns import enter
from tests.support.forked import forked
from tests.support.users import PATH


def test_what_confines_is_told(tmp_path: Path) -> None:
    (tmp_path / "self/attr").mkdir(parents=True)
    (tmp_path / "self/status").write_text("Seccomp:\t2\nNoNewPrivs:\t0\n")
    (tmp_path / "self/attr/current").write_text("docker-default (enforce)\n\0")
    found = confinement(proc=tmp_path)
    assert found.state == "ok"
    assert found.found == (
        "seccomp: filters system calls; security profile: docker-default (enforce)"
    )


def test_without_proc_nothing_runs(tmp_path: Path) -> None:
    """R170: the same words from both."""
    found = confinement(proc=tmp_path)
    assert found.blocks
    assert found.remedy == "mount -t proc proc /proc"

    def work() -> str:
        with pytest.raises(NamespaceError, match="is not mounted") as caught:
            enter(search_path=PATH, warn=print, proc=tmp_path)
        return caught.value.hint or ""

    assert forked(work) == found.remedy


def tool(directory: Path, name: str, mode: int = 0o755) -> str:
    path = directory / name
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return str(path)


def test_tools_need_privileges(tmp_path: Path) -> None:
    """R165: present is not enough."""
    tool(tmp_path, "newuidmap", 0o4755)
    plain = tool(tmp_path, "newgidmap")
    good, bad = id_tools(str(tmp_path))
    assert good.state == "ok"
    assert (bad.check, bad.state) == ("newgidmap", "missing")
    assert bad.remedy == f"as root: chmod u+s {plain}, or setcap cap_setgid=ep {plain}"


def test_capabilities_of_files_will_do(tmp_path: Path) -> None:
    path = tool(tmp_path, "newuidmap")
    # CAP_SETUID, permitted and effective: capabilities(7), version 2.
    os.setxattr(path, "security.capability", bytes.fromhex("0100000280000000") + bytes(12))
    found = next(iter(id_tools(str(tmp_path))))
    assert found.found.endswith("with file capabilities")


@pytest.mark.parametrize(
    ("lines", "state", "said"),
    [
        ("4242:100000:65536\n", "ok", "65536 ids for 4242"),
        ("4242:100000:1000\n", "warning", "1000 ids for 4242; images have ids up to 65535"),
        ("other:100000:65536\n", "missing", "has no line for 4242"),
    ],
)
def test_subordinate_ids_are_counted(tmp_path: Path, lines: str, state: str, said: str) -> None:
    """R120."""
    (tmp_path / "subuid").write_text(lines)
    found, without_file = subordinate_ids(4242, tmp_path)
    assert (found.check, found.state) == ("subuid", state)
    assert said in found.found
    assert (without_file.check, without_file.state) == ("subgid", "missing")
    assert f"to {tmp_path}/subgid" in (without_file.remedy or "")


def test_fuse_needs_its_device(tmp_path: Path) -> None:
    """R172."""
    assert fuse_overlayfs(str(tmp_path)).remedy is not None
    program = tool(tmp_path, "fuse-overlayfs")
    found = fuse_overlayfs(str(tmp_path), str(tmp_path / "fuse"))
    assert (found.state, "can't be opened" in found.found) == ("missing", True)
    (tmp_path / "fuse").touch()
    assert fuse_overlayfs(str(tmp_path), str(tmp_path / "fuse")).found == program
