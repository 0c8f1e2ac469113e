from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from imgfetch.bundle.host import DeviceNode, Place
from imgfetch.bundle.options import (
    Device,
    FileOptions,
    NetworkOptions,
    RunOptions,
    SecurityOptions,
)
from imgfetch.errors import (
    InvalidOptionError,
)
from tests.support.runtime_schema import check_spec
from tests.support.specs import (
    PLACE,
    environment,
    make_spec,
    mount_at,
    root_host,
    rootless_host,
)

PRIVATE = dataclasses.replace(PLACE, network="private")
FUSE = DeviceNode("/dev/fuse", "c", 10, 229, 0o666)


def find_fuse(path: str) -> DeviceNode | None:
    return FUSE if path == "/dev/fuse" else None


def files(**options: Any) -> RunOptions:
    return RunOptions(files=FileOptions(**options))


def security(**options: Any) -> RunOptions:
    return RunOptions(security=SecurityOptions(**options))


def namespaces(document: dict[str, Any]) -> set[str]:
    return {entry["type"] for entry in document["linux"]["namespaces"]}


def test_a_device_is_made_by_root_and_bound_by_others() -> None:
    options = files(devices=(Device("/dev/fuse", "/dev/fuse", "rw"),))
    root = make_spec(options, host=root_host(find_device=find_fuse)).document["linux"]
    assert root["devices"] == [
        {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o666}
        | {"uid": 0, "gid": 0}
    ]
    assert root["resources"]["devices"] == [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"},
    ]
    user = make_spec(options, host=rootless_host(find_device=find_fuse))
    check_spec(user.document)
    assert "devices" not in user.document["linux"]
    assert mount_at(user, "/dev/fuse")["options"] == ["bind", "rprivate"]


def test_a_device_that_is_none_is_an_error() -> None:
    for host in (root_host(), rootless_host()):
        with pytest.raises(InvalidOptionError, match="/dev/none"):
            make_spec(files(devices=(Device("/dev/none", "/dev/none"),)), host=host)


def test_privileged_has_everything_there_is() -> None:
    host = root_host(host_devices=(FUSE,), capabilities=frozenset({"CAP_KILL", "CAP_SYS_ADMIN"}))
    spec = make_spec(security(privileged=True), host=host, seccomp={"defaultAction": "x"})
    check_spec(spec.document)
    linux = spec.document["linux"]
    assert spec.document["process"]["capabilities"]["bounding"] == ["CAP_KILL", "CAP_SYS_ADMIN"]
    assert (linux["maskedPaths"], linux["readonlyPaths"]) == ([], [])
    assert linux["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert [device["path"] for device in linux["devices"]] == ["/dev/fuse"]
    assert "seccomp" not in linux
    assert "rw" in mount_at(spec, "/sys")["options"]
    assert "rw" in mount_at(spec, "/sys/fs/cgroup")["options"]


def test_privileged_without_privileges_binds_the_devices() -> None:
    spec = make_spec(security(privileged=True), host=rootless_host(host_devices=(FUSE,)))
    check_spec(spec.document)
    assert mount_at(spec, "/dev/fuse")["type"] == "bind"


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        (RunOptions(), set()),
        (security(pid="host"), {"pid"}),
        (security(ipc="host"), {"ipc"}),
        (security(uts="host"), {"uts"}),
        (security(cgroupns="host"), {"cgroup"}),
    ],
)
def test_namespaces_are_private_unless_asked_otherwise(
    options: RunOptions, missing: set[str]
) -> None:
    document = make_spec(options, host=root_host(cgroup_version=2), place=PRIVATE).document
    everything = {"mount", "pid", "ipc", "uts", "network", "cgroup"}
    assert namespaces(document) == everything - missing


def test_the_hosts_network_has_the_hosts_name_and_no_sysctls() -> None:
    spec = make_spec()
    assert "network" not in namespaces(spec.document)
    assert spec.document["hostname"] == "machine"
    assert environment(spec)["HOSTNAME"] == "machine"
    assert "sysctl" not in spec.document["linux"]


def test_a_network_made_before_is_inherited_and_its_sysctls_are_handed_back() -> None:
    place = dataclasses.replace(PRIVATE, inherit_network=True)
    options = security(sysctls={"net.core.somaxconn": "9", "kernel.sem": "1 2 3 4"})
    spec = make_spec(options, place=place)
    assert "network" not in namespaces(spec.document)
    assert spec.document["linux"]["sysctl"] == {"kernel.sem": "1 2 3 4"}
    assert spec.network_sysctls == {
        "net.ipv4.ip_unprivileged_port_start": "0",
        "net.ipv4.ping_group_range": "0 2147483647",
        "net.core.somaxconn": "9",
    }


@pytest.mark.parametrize(
    ("name", "options", "place"),
    [
        ("net.core.somaxconn", {}, PLACE),
        ("kernel.sem", {"ipc": "host"}, PRIVATE),
        ("kernel.domainname", {"uts": "host"}, PRIVATE),
        ("kernel.core_pattern", {}, PRIVATE),
        ("vm.overcommit_memory", {}, PRIVATE),
        ("kernel.shmmaxx", {}, PRIVATE),
    ],
)
def test_sysctls_of_the_host_are_refused(name: str, options: dict[str, Any], place: Place) -> None:
    """S154: CVE-2022-0811 class."""
    with pytest.raises(InvalidOptionError, match=name):
        make_spec(security(sysctls={name: "1"}, **options), place=place)


def test_sysctls_of_the_container_are_set() -> None:
    wanted = {"net.core.somaxconn": "9", "fs.mqueue.msg_max": "5", "kernel.domainname": "x"}
    spec = make_spec(security(sysctls=wanted), place=PRIVATE)
    assert wanted.items() <= spec.document["linux"]["sysctl"].items()


def test_what_can_only_be_read_in_a_pod_is_not_set() -> None:
    """R164: a network of its own all the same, and no runtime that fails over a default."""
    host = dataclasses.replace(root_host(), proc_mountable=False, locked_flags=lambda path: ("ro",))
    assert "sysctl" not in make_spec(host=host, place=PRIVATE).document["linux"]
    with pytest.raises(InvalidOptionError, match="can only be read here"):
        make_spec(security(sysctls={"kernel.domainname": "x"}), host=host, place=PRIVATE)


def test_a_hostname_can_be_given() -> None:
    spec = make_spec(RunOptions(network=NetworkOptions(hostname="web")))
    assert spec.document["hostname"] == environment(spec)["HOSTNAME"] == "web"


def test_the_host_is_not_renamed() -> None:
    options = security(uts="host")
    assert "hostname" not in make_spec(options).document
    both = dataclasses.replace(options, network=NetworkOptions(hostname="web"))
    with pytest.raises(InvalidOptionError, match="--uts"):
        make_spec(both)


def test_no_new_privileges() -> None:
    document = make_spec(security(no_new_privileges=True)).document
    assert document["process"]["noNewPrivileges"] is True


def test_paths_can_be_unmasked() -> None:
    linux = make_spec(security(unmask=("/proc/kcore", "/proc/sys"))).document["linux"]
    assert "/proc/kcore" not in linux["maskedPaths"]
    assert "/proc/sys" not in linux["readonlyPaths"]
    assert "/proc/keys" in linux["maskedPaths"]
    everything = make_spec(security(unmask=("ALL",))).document["linux"]
    assert (everything["maskedPaths"], everything["readonlyPaths"]) == ([], [])


def test_an_apparmor_profile_has_to_be_loaded() -> None:
    """P12, S151: one that is not would protect nothing."""
    options = security(apparmor="mine")
    loaded = root_host(apparmor_profiles=frozenset({"mine"}))
    assert make_spec(options, host=loaded).document["process"]["apparmorProfile"] == "mine"
    for host in (root_host(), root_host(apparmor_profiles=frozenset({"other"}))):
        with pytest.raises(InvalidOptionError, match="AppArmor"):
            make_spec(options, host=host)
    for harmless in (security(apparmor="unconfined"), RunOptions()):
        assert "apparmorProfile" not in make_spec(harmless, host=loaded).document["process"]


def test_the_seccomp_profile_is_taken_as_it_is() -> None:
    seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": [], "syscalls": []}
    spec = make_spec(seccomp=seccomp)
    check_spec(spec.document)
    assert spec.document["linux"]["seccomp"] == seccomp
