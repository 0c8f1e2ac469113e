from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from imgfetch.bundle.host import HostFacts, Network
from imgfetch.bundle.options import (
    RunOptions,
    SecurityOptions,
)
from imgfetch.bundle.users import ResolvedUser
from imgfetch.errors import (
    InvalidUserError,
)
from tests.support.runtime_schema import check_spec
from tests.support.specs import (
    ONE_ID,
    PLACE,
    SUBIDS,
    environment,
    make_spec,
    mount_at,
    root_host,
    rootless_host,
)

PRIVATE = dataclasses.replace(PLACE, network="private")


def security(**options: Any) -> RunOptions:
    return RunOptions(security=SecurityOptions(**options))


def namespaces(document: dict[str, Any]) -> set[str]:
    return {entry["type"] for entry in document["linux"]["namespaces"]}


def test_with_one_id_everybody_is_root() -> None:
    """The warning says how to have more."""
    spec = make_spec(user=ResolvedUser(405, 100, (100, 5), "/g"), host=rootless_host(ONE_ID))
    assert spec.document["process"]["user"] == {"uid": 0, "gid": 0, "umask": 18}
    assert "405" in spec.warnings[0]
    assert "/etc/subuid" in spec.warnings[0]
    assert environment(spec)["HOME"] == "/g"


def test_root_with_one_id_needs_no_warning() -> None:
    spec = make_spec(user=ResolvedUser(0, 0, (0, 10), "/root"), host=rootless_host(ONE_ID))
    assert spec.warnings == ()
    assert "additionalGids" not in spec.document["process"]["user"]


@pytest.mark.parametrize("user", [ResolvedUser(70000, 0), ResolvedUser(0, 70000)])
def test_an_id_that_is_not_mapped_is_an_error(user: ResolvedUser) -> None:
    with pytest.raises(InvalidUserError) as caught:
        make_spec(user=user, host=rootless_host(SUBIDS))
    assert caught.value.hint


def test_groups_that_are_not_mapped_are_left_out_with_a_warning() -> None:
    spec = make_spec(user=ResolvedUser(1, 1, (1, 70000)), host=rootless_host(SUBIDS))
    assert spec.document["process"]["user"]["additionalGids"] == [1]
    assert "70000" in spec.warnings[0]


def test_terminals_have_no_group_where_there_is_none() -> None:
    def has_group(host: HostFacts) -> bool:
        return "gid=5" in mount_at(make_spec(host=host), "/dev/pts")["options"]

    assert has_group(root_host())
    assert has_group(rootless_host(SUBIDS))
    assert not has_group(rootless_host(ONE_ID))


def test_without_privileges_there_are_no_device_rules_and_no_cgroup_mount() -> None:
    document = make_spec(host=rootless_host(), place=PRIVATE).document
    check_spec(document)
    assert "resources" not in document["linux"]
    assert "/sys/fs/cgroup" not in [mount["destination"] for mount in document["mounts"]]
    assert "user" not in namespaces(document)
    assert document["linux"]["sysctl"] == {"net.ipv4.ip_unprivileged_port_start": "0"}


def test_on_the_hosts_network_without_privileges_sys_is_bound() -> None:
    """S150: and the cgroups that come along are hidden (CVE-2023-25809)."""
    document = make_spec(host=rootless_host()).document
    (sys,) = [mount for mount in document["mounts"] if mount["destination"] == "/sys"]
    assert sys == {
        "destination": "/sys",
        "type": "bind",
        "source": "/sys",
        "options": ["rbind", "nosuid", "noexec", "nodev", "ro"],
    }
    assert "/sys/fs/cgroup" in document["linux"]["maskedPaths"]
    unmasked = make_spec(security(unmask=("ALL",)), host=rootless_host()).document
    assert unmasked["linux"]["maskedPaths"] == ["/sys/fs/cgroup"]


@pytest.mark.parametrize("network", ["private", "none"])
def test_with_a_network_of_its_own_sys_is_fresh(network: Network) -> None:
    place = dataclasses.replace(PLACE, network=network)
    spec = make_spec(host=rootless_host(), place=place)
    assert mount_at(spec, "/sys")["type"] == "sysfs"
    bound = make_spec(host=rootless_host(sysfs_mountable=False), place=place)
    assert mount_at(bound, "/sys")["type"] == "bind"
    assert mount_at(make_spec(host=root_host()), "/sys")["type"] == "sysfs"


def test_a_bound_proc_is_not_masked() -> None:
    """In a pod the kernel refuses a fresh one; the pod's own masks stay."""
    spec = make_spec(host=rootless_host(proc_mountable=False))
    assert mount_at(spec, "/proc")["options"][0] == "rbind"
    linux = spec.document["linux"]
    assert not [p for p in linux["maskedPaths"] + linux["readonlyPaths"] if p.startswith("/proc")]


def test_the_runtime_makes_the_user_namespace_of_a_bundle_run_by_hand() -> None:
    host = root_host(user_namespace=ONE_ID, cgroup_version=None, controllers=frozenset())
    document = make_spec(host=host).document
    check_spec(document)
    assert "user" in namespaces(document)
    assert document["linux"]["uidMappings"] == [{"containerID": 0, "hostID": 1000, "size": 1}]
    assert document["linux"]["gidMappings"] == [{"containerID": 0, "hostID": 1000, "size": 1}]
    assert "gid=5" not in str(document["mounts"])
    assert "resources" not in document["linux"]
