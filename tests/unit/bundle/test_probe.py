from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from imgfetch.bundle.probe import (
    NO_CGROUPS,
    Cgroups,
    emulates_other_formats,
    find_cgroups,
    find_device,
    host_facts,
    locked_flags,
)
from imgfetch.bundle.standalone import for_ordinary_user, single_id
from imgfetch.fs.idmap import IdMapping
from tests.support.specs import ALL_IDS, ONE_ID, root_host


def test_the_machine_is_described() -> None:
    host = host_facts(IdMapping.current(), NO_CGROUPS)
    assert host.kernel == os.uname().release
    assert host.hostname == os.uname().nodename
    assert host.rlimits["RLIMIT_NOFILE"] == resource.getrlimit(resource.RLIMIT_NOFILE)
    assert host.oom_score_adj == int(Path("/proc/self/oom_score_adj").read_text())
    assert all(name.startswith("CAP_") for name in host.capabilities)
    assert host.host_devices == ()


def test_devices_are_listed_for_the_privileged() -> None:
    host = host_facts(IdMapping.current(), NO_CGROUPS, privileged=True)
    paths = {node.path for node in host.host_devices}
    assert "/dev/null" in paths
    assert not [path for path in paths if path.startswith(("/dev/pts/", "/dev/shm/"))]


def test_limits_are_not_raised_in_a_user_namespace() -> None:
    assert host_facts(ONE_ID, NO_CGROUPS).may_raise_limits is False
    assert host_facts(ONE_ID, NO_CGROUPS).rootless is True


def test_a_device_is_found_and_nothing_else(tmp_path: Path) -> None:
    node = find_device("/dev/null")
    assert node is not None
    assert (node.kind, node.major, node.minor) == ("c", 1, 3)
    assert find_device(str(tmp_path)) is None
    assert find_device(str(tmp_path / "missing")) is None


def test_locked_flags_are_those_of_the_mount(tmp_path: Path) -> None:
    lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    options = {fields[1]: set(fields[3].split(",")) for fields in lines}
    for path in ("/", "/proc", "/sys"):
        expected = options[path] & {"ro", "nosuid", "nodev", "noexec"}
        assert set(locked_flags(path)) == expected
    assert locked_flags(str(tmp_path / "missing")) == ()


def test_cgroups_of_version_two(tmp_path: Path) -> None:
    """R163: in a container, the root has processes, and can't have children with controllers."""
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    found = find_cgroups(ALL_IDS, str(tmp_path))
    assert found == Cgroups(2, frozenset({"cpu", "memory", "pids"}))
    (tmp_path / "cgroup.type").write_text("domain\n")
    assert find_cgroups(ALL_IDS, str(tmp_path)) == NO_CGROUPS


def test_cgroups_of_version_one(tmp_path: Path) -> None:
    assert find_cgroups(ALL_IDS, str(tmp_path)) == NO_CGROUPS
    (tmp_path / "memory").mkdir()
    (tmp_path / "pids").mkdir()
    (tmp_path / "other").mkdir()
    assert find_cgroups(ALL_IDS, str(tmp_path)) == Cgroups(1, frozenset({"memory", "pids"}))
    assert find_cgroups(ONE_ID, str(tmp_path)) == NO_CGROUPS


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["register", "status"], False), (["register", "status", "qemu-aarch64"], True), ([], False)],
)
def test_handlers_for_other_formats(tmp_path: Path, names: list[str], *, expected: bool) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert emulates_other_formats(str(tmp_path)) is expected
    assert emulates_other_formats(str(tmp_path / "missing")) is False


def test_a_bundle_for_an_ordinary_user_has_its_own_user_namespace() -> None:
    host = for_ordinary_user(root_host(may_raise_limits=True), single_id(1000, 1001))
    assert host.user_namespace is not None
    assert host.user_namespace.uids == ((0, 1000, 1),)
    assert host.user_namespace.gids == ((0, 1001, 1),)
    assert host.in_user_namespace
    assert (host.cgroup_version, host.controllers) == NO_CGROUPS
    assert not host.may_raise_limits
