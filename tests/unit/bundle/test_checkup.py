"""What ``doctor`` says about kernels, control groups and programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgfetch.bundle.checkup import cgroups, init, kernel, seccomp, terminals
from tests.support.specs import ALL_IDS


@pytest.mark.parametrize(
    ("release", "rootless", "state"),
    [
        ("6.8.0-rc1+", True, "ok"),
        ("5.11.0", True, "ok"),
        ("5.10.1", True, "warning"),
        ("4.19.0-9-amd64", False, "ok"),
        ("odd", True, "ok"),
    ],
)
def test_overlays_of_users_need_a_kernel_of_some_age(
    release: str, rootless: bool, state: str
) -> None:
    """R156: whatever the release looks like."""
    assert kernel(release, "x86_64", rootless=rootless).state == state


def hierarchy(directory: Path, *files: str) -> str:
    for name in files:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text("memory pids\n")
    return str(directory)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["memory/tasks", "pids/tasks"], "v1; limits: memory, pids"),
        (
            ["memory/tasks", "unified/cgroup.controllers"],
            "hybrid (v1, with v2 beside it); limits: memory",
        ),
        (["cgroup.controllers"], "v2; limits: memory, pids"),
    ],
)
def test_limits_are_those_that_runs_can_have(tmp_path: Path, files: list[str], said: str) -> None:
    found = cgroups(ALL_IDS, root=True, mount=hierarchy(tmp_path / "cg", *files))
    assert (found.state, found.found) == ("ok", said)


def test_a_cgroup_that_is_not_the_root_gives_no_limits(tmp_path: Path) -> None:
    """R163."""
    mount = hierarchy(tmp_path / "cg", "cgroup.controllers", "cgroup.type")
    found = cgroups(ALL_IDS, root=True, mount=mount)
    assert found.state == "warning"
    assert "not the root of the control groups" in found.found


def test_users_are_told_what_is_delegated(tmp_path: Path) -> None:
    """R161."""
    mount = hierarchy(tmp_path / "cg", "cgroup.controllers", "user/cgroup.controllers")
    own = tmp_path / "own"
    own.write_text("0::/user\n")
    found = cgroups(ALL_IDS, root=False, mount=mount, own=str(own))
    assert "delegated to you are memory, pids" in found.found
    own.write_text("0::/nowhere\n")
    found = cgroups(ALL_IDS, root=False, mount=mount, own=str(own))
    assert "to ordinary users" in found.found
    assert found.remedy is not None


def test_without_control_groups_there_are_no_limits(tmp_path: Path) -> None:
    assert cgroups(ALL_IDS, root=True, mount=str(tmp_path / "missing")).state == "warning"


def test_an_init_is_found_or_named(tmp_path: Path) -> None:
    found = init(str(tmp_path))
    # Directories of packages are looked through as well: either is right.
    assert found.check == "init"
    assert (found.state == "ok") != (found.remedy is not None)


def test_what_the_kernel_can_is_told(tmp_path: Path) -> None:
    assert seccomp(str(tmp_path)).state == "ok"
    assert seccomp(str(tmp_path / "missing")).state == "warning"
    assert terminals().state == "ok"
