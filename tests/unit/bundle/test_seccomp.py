from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from imgfetch.bundle.capabilities import CAPABILITIES, DEFAULT_CAPABILITIES
from imgfetch.bundle.seccomp import SYSTEM_PROFILES, read_profile, resolve
from imgfetch.errors import InvalidOptionError
from tests.support.runtime_schema import SECCOMP

ALLOW = "SCMP_ACT_ALLOW"
DOCKER_CAPABILITIES = DEFAULT_CAPABILITIES | {"CAP_AUDIT_WRITE", "CAP_MKNOD", "CAP_NET_RAW"}


def resolved(
    profile: dict[str, Any],
    *,
    capabilities: frozenset[str] = DEFAULT_CAPABILITIES,
    kernel: str = "6.18.44",
    architecture: str = "amd64",
) -> dict[str, Any]:
    raw = json.dumps({"defaultAction": "SCMP_ACT_ERRNO", **profile}).encode()
    return resolve(raw, capabilities=capabilities, kernel=kernel, architecture=architecture)


def default(
    capabilities: frozenset[str] = DEFAULT_CAPABILITIES,
    kernel: str = "6.18.44",
    architecture: str = "amd64",
) -> dict[str, Any]:
    raw = read_profile("default")
    assert raw is not None
    return resolve(raw, capabilities=capabilities, kernel=kernel, architecture=architecture)


def rules(seccomp: dict[str, Any]) -> set[tuple[str, str, int | None, str]]:
    """One tuple for each system call that a rule is about."""
    return {
        (name, rule["action"], rule.get("errnoRet"), json.dumps(rule.get("args")))
        for rule in seccomp["syscalls"]
        for name in rule["names"]
    }


def allowed(seccomp: dict[str, Any]) -> set[str]:
    """What is allowed with any arguments."""
    return {name for name, action, _, args in rules(seccomp) if action == ALLOW and args == "null"}


@pytest.mark.parametrize(
    ("condition", "applies"),
    [
        ({}, True),
        ({"includes": {}, "excludes": {}}, True),
        ({"includes": None}, True),
        ({"includes": {"arches": ["amd64", "x32"]}}, True),
        ({"includes": {"arches": ["arm64"]}}, False),
        ({"excludes": {"arches": ["amd64"]}}, False),
        ({"excludes": {"arches": ["s390x"]}}, True),
        ({"includes": {"caps": ["CAP_KILL"]}}, True),
        ({"includes": {"caps": ["CAP_KILL", "CAP_SYS_ADMIN"]}}, False),
        ({"excludes": {"caps": ["CAP_SYS_ADMIN"]}}, True),
        ({"excludes": {"caps": ["CAP_SYS_ADMIN", "CAP_KILL"]}}, False),
        ({"includes": {"minKernel": "4.8"}}, True),
        ({"includes": {"minKernel": "6.18"}}, True),
        ({"includes": {"minKernel": "6.19"}}, False),
        ({"includes": {"minKernel": "10.0"}}, False),
        ({"excludes": {"minKernel": "6.18"}}, False),
        ({"excludes": {"minKernel": "6.19"}}, True),
        ({"includes": {"caps": ["CAP_KILL"]}, "excludes": {"arches": ["amd64"]}}, False),
        ({"includes": {"arches": ["amd64"], "minKernel": "99.0"}}, False),
    ],
)
def test_a_rule_applies_when_all_it_includes_and_nothing_it_excludes_holds(
    condition: dict[str, Any], *, applies: bool
) -> None:
    rule = {"names": ["reboot"], "action": ALLOW, "comment": "left out", **condition}
    expected = [{"names": ["reboot"], "action": ALLOW}] if applies else []
    assert resolved({"syscalls": [rule]})["syscalls"] == expected


@pytest.mark.parametrize(
    ("kernel", "traced"), [("4.7.10", False), ("4.8", True), ("4.8.0-rc1", True), ("4.18.0", True)]
)
def test_kernels_are_compared_by_number(kernel: str, *, traced: bool) -> None:
    assert ("ptrace" in allowed(default(kernel=kernel))) is traced


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("amd64", ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]),
        ("arm64", ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]),
        ("s390x", ["SCMP_ARCH_S390X", "SCMP_ARCH_S390"]),
        ("riscv64", ["SCMP_ARCH_RISCV64"]),
        ("loong64", ["SCMP_ARCH_LOONGARCH64"]),
        ("386", []),
    ],
)
def test_architectures_come_with_their_older_ones(architecture: str, expected: list[str]) -> None:
    assert default(architecture=architecture)["architectures"] == expected


def test_the_name_of_a_processor_is_libseccomps() -> None:
    profile = {"syscalls": [{"names": ["x"], "action": ALLOW, "includes": {"arches": ["x86"]}}]}
    assert resolved(profile, architecture="386")["syscalls"]
    assert not resolved(profile, architecture="amd64")["syscalls"]


def test_literal_architectures_are_kept() -> None:
    assert resolved({"architectures": ["SCMP_ARCH_X86"]})["architectures"] == ["SCMP_ARCH_X86"]


def test_arguments_errors_and_flags_are_passed_on() -> None:
    args = [{"index": 0, "value": 12, "valueTwo": 0, "op": "SCMP_CMP_LT"}]
    profile = {
        "defaultErrno": "ENOSYS",
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "listenerPath": "",
        "syscalls": [
            {"name": "socket", "action": ALLOW, "args": args},
            {
                "names": ["a"],
                "action": "SCMP_ACT_ERRNO",
                "errno": "EPERM",
                "errnoRet": 1,
                "args": [],
            },
            {"names": ["b"], "action": "SCMP_ACT_ERRNO", "errnoRet": 0, "args": None},
        ],
    }
    assert resolved(profile) == {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "architectures": [],
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "syscalls": [
            {"names": ["socket"], "action": ALLOW, "args": args},
            {"names": ["a"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
            {"names": ["b"], "action": "SCMP_ACT_ERRNO", "errnoRet": 0},
        ],
    }


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b'{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "x"}]}',
        b'{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["x"]}]}',
        b'{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": ["x"]}',
        b'{"defaultAction": "SCMP_ACT_ALLOW", "archMap": [{}]}',
        b'{"defaultAction": "SCMP_ACT_ALLOW", "defaultErrno": "EWHAT"}',
        b'{"defaultAction": "x", "architectures": ["a"], "archMap": [{"architecture": "b"}]}',
        b'{"defaultAction": "x", "syscalls": [{"includes": {"minKernel": "x"}}]}',
        b'\xff{"defaultAction": "x"}',
    ],
)
def test_what_is_no_profile_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidOptionError, match="seccomp"):
        resolve(raw, capabilities=frozenset(), kernel="6.18", architecture="amd64")


def test_the_systems_profile_gives_what_podman_makes_of_it() -> None:
    """P21: With podman 4.3 and its default capabilities, Debian 12's gives 436 rules."""
    system = [Path(path) for path in SYSTEM_PROFILES]
    assert any(path.exists() for path in system), "apt-get install golang-github-containers-common"
    raw = read_profile("system")
    assert raw is not None
    seccomp = resolve(raw, capabilities=DEFAULT_CAPABILITIES, kernel="6.1.0", architecture="amd64")
    jsonschema.validate(seccomp, SECCOMP)
    if json.loads(raw)["defaultErrnoRet"] == 38 and "cachestat" not in raw.decode():
        assert len(rules(seccomp)) == 436


def test_the_default_profile_refuses_with_eperm_and_hides_clone3() -> None:
    seccomp = default()
    jsonschema.validate(seccomp, SECCOMP)
    assert (seccomp["defaultAction"], seccomp["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", 1)
    assert ("clone3", "SCMP_ACT_ERRNO", 38, "null") in rules(seccomp)


def test_the_default_profile_keeps_dangerous_calls_from_containers() -> None:
    """S148."""
    names = allowed(default())
    assert names.isdisjoint(
        {"keyctl", "add_key", "request_key", "io_uring_setup", "io_uring_enter", "userfaultfd"}
        | {"mount", "umount2", "unshare", "setns", "pivot_root", "bpf", "kexec_load", "swapon"}
        | {"clone", "clone3", "init_module", "reboot", "iopl", "settimeofday", "syslog", "socket"}
    )
    assert {"read", "execve", "openat2", "clone", "fork", "chroot"} - names == {"clone"}


def test_the_default_profile_refuses_namespaces_to_clone() -> None:
    """S148: the mask is of all CLONE_NEW… flags; s390 has its arguments the other way round."""
    clone_new = 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
    clone_new |= 0x00020000  # CLONE_NEWNS

    def clone(architecture: str) -> list[dict[str, Any]]:
        found = [
            r for r in default(architecture=architecture)["syscalls"] if r["names"] == ["clone"]
        ]
        (rule,) = found
        assert isinstance(rule["args"], list)
        return rule["args"]

    for architecture, index in (("amd64", 0), ("arm64", 0), ("s390x", 1)):
        expected = {"index": index, "value": clone_new, "op": "SCMP_CMP_MASKED_EQ"}
        assert clone(architecture) == [expected]


def test_the_default_profile_allows_no_crypto_or_vm_sockets() -> None:
    """S148: AF_ALG (38) and AF_VSOCK (40) are not among the families."""
    families: set[int] = set()
    for rule in default()["syscalls"]:
        if rule["names"] == ["socket"]:
            (argument,) = rule["args"]
            assert argument["index"] == 0
            below = argument["op"] == "SCMP_CMP_LT"
            families |= set(range(argument["value"])) if below else {argument["value"]}
    assert families.issuperset({1, 2, 10, 16, 17})  # UNIX, INET, INET6, NETLINK, PACKET
    assert families.isdisjoint({38, 40})


@pytest.mark.parametrize(
    ("capability", "names"),
    [
        ("CAP_SYS_ADMIN", {"mount", "unshare", "setns", "clone", "clone3", "bpf"}),
        ("CAP_SYS_MODULE", {"init_module", "finit_module", "delete_module"}),
        ("CAP_SYS_TIME", {"settimeofday", "clock_settime"}),
        ("CAP_SYS_PTRACE", {"pidfd_getfd", "kcmp"}),
        ("CAP_SYS_BOOT", {"reboot"}),
        ("CAP_SYS_NICE", {"mbind"}),
        ("CAP_BPF", {"bpf"}),
    ],
)
def test_a_capability_brings_its_system_calls(capability: str, names: set[str]) -> None:
    assert allowed(default()).isdisjoint(names)
    assert allowed(default(DEFAULT_CAPABILITIES | {capability})).issuperset(names)


def test_dockers_capabilities_add_no_system_calls() -> None:
    assert rules(default(DOCKER_CAPABILITIES)) == rules(default())


def test_all_capabilities_leave_clone_free() -> None:
    seccomp = default(frozenset(CAPABILITIES))
    assert not [rule for rule in seccomp["syscalls"] if rule["action"] != ALLOW]


def test_profiles_are_chosen_by_name_or_path(tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    own.write_bytes(b"{}")
    assert read_profile("unconfined") is None
    assert read_profile(str(own)) == b"{}"
    with pytest.raises(InvalidOptionError) as caught:
        read_profile(str(tmp_path / "missing.json"))
    assert "missing.json" in caught.value.message
