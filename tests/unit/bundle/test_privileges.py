from __future__ import annotations

import pytest

from imgfetch.bundle.capabilities import CAPABILITIES, DEFAULT_CAPABILITIES, granted
from imgfetch.bundle.options import SecurityOptions, Ulimit
from imgfetch.bundle.privileges import (
    parse_capability,
    parse_security_opt,
    parse_sysctl,
    parse_ulimit,
)
from imgfetch.errors import InvalidOptionError

ALL = frozenset(CAPABILITIES)


def test_the_capabilities_are_the_kernels() -> None:
    assert len(CAPABILITIES) == 41
    assert CAPABILITIES[0] == "CAP_CHOWN"
    assert CAPABILITIES.index("CAP_SYS_ADMIN") == 21
    assert CAPABILITIES[40] == "CAP_CHECKPOINT_RESTORE"
    assert len(DEFAULT_CAPABILITIES) == 11
    assert ALL > DEFAULT_CAPABILITIES


@pytest.mark.parametrize("text", ["NET_ADMIN", "net_admin", "CAP_NET_ADMIN", "cap_net_admin"])
def test_capabilities_are_named_in_any_case(text: str) -> None:
    assert parse_capability(text) == "CAP_NET_ADMIN"
    assert parse_capability("all") == "ALL"


@pytest.mark.parametrize("text", ["", "CAP_", "NET", "NET_ADMIN ", "CAP_CAP_KILL", "CAP_ALL"])
def test_unknown_capabilities_are_refused(text: str) -> None:
    """R153: runc only warns of them."""
    with pytest.raises(InvalidOptionError):
        parse_capability(text)


@pytest.mark.parametrize(
    ("add", "drop", "expected"),
    [
        ((), (), DEFAULT_CAPABILITIES),
        (("CAP_NET_RAW",), (), DEFAULT_CAPABILITIES | {"CAP_NET_RAW"}),
        ((), ("CAP_KILL",), DEFAULT_CAPABILITIES - {"CAP_KILL"}),
        (("CAP_KILL",), ("ALL",), {"CAP_KILL"}),
        (("ALL",), ("CAP_KILL",), ALL - {"CAP_KILL"}),
        (("ALL",), ("ALL",), ALL),
        (("CAP_KILL",), ("CAP_KILL",), DEFAULT_CAPABILITIES),
        ((), ("ALL",), set()),
    ],
)
def test_capabilities_are_dropped_and_then_added(
    add: tuple[str, ...], drop: tuple[str, ...], expected: set[str]
) -> None:
    names = granted(SecurityOptions(cap_add=add, cap_drop=drop), ALL)
    assert set(names) == expected
    assert names == [name for name in CAPABILITIES if name in expected]


def test_nobody_gets_more_than_the_caller_has() -> None:
    bounding = frozenset({"CAP_KILL", "CAP_NET_RAW"})
    assert granted(SecurityOptions(), bounding) == ["CAP_KILL"]
    assert granted(SecurityOptions(privileged=True), bounding) == ["CAP_KILL", "CAP_NET_RAW"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no-new-privileges", SecurityOptions(no_new_privileges=True)),
        ("no-new-privileges:true", SecurityOptions(no_new_privileges=True)),
        ("no-new-privileges=false", SecurityOptions()),
        ("seccomp=unconfined", SecurityOptions(seccomp="unconfined")),
        ("seccomp=/a:b.json", SecurityOptions(seccomp="/a:b.json")),
        ("apparmor=mine", SecurityOptions(apparmor="mine")),
        ("apparmor:unconfined", SecurityOptions(apparmor="unconfined")),
        ("systempaths=unconfined", SecurityOptions(unmask=("ALL",))),
        ("unmask=all", SecurityOptions(unmask=("ALL",))),
        ("unmask=/proc/kcore:/proc/acpi", SecurityOptions(unmask=("/proc/kcore", "/proc/acpi"))),
        ("label=disable", SecurityOptions()),
    ],
)
def test_security_options(text: str, expected: SecurityOptions) -> None:
    assert parse_security_opt(SecurityOptions(), text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *["", "x", "seccomp", "seccomp=", "no-new-privileges=maybe", "label=type:x"],
        *["unmask=proc", "systempaths=x", "apparmor", "mask=/proc"],
    ],
)
def test_other_security_options_are_refused(text: str) -> None:
    """S151: one that had no effect would be believed."""
    with pytest.raises(InvalidOptionError):
        parse_security_opt(SecurityOptions(), text)


def test_sysctls() -> None:
    assert parse_sysctl("net.core.somaxconn=1024") == ("net.core.somaxconn", "1024")
    assert parse_sysctl("net/ipv4/tcp_syncookies=0") == ("net.ipv4.tcp_syncookies", "0")
    assert parse_sysctl("kernel.sem=1 2 3 4") == ("kernel.sem", "1 2 3 4")


@pytest.mark.parametrize(
    "text", ["", "net", "net=1", "net.core", "=1", "net..x=1", "../x=1", "net.x=1\n"]
)
def test_other_sysctls_are_refused(text: str) -> None:
    with pytest.raises(InvalidOptionError):
        parse_sysctl(text)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("nofile=1024", Ulimit("RLIMIT_NOFILE", 1024, 1024)),
        ("nofile=1024:4096", Ulimit("RLIMIT_NOFILE", 1024, 4096)),
        ("core=0:-1", Ulimit("RLIMIT_CORE", 0, -1)),
        ("memlock=unlimited", Ulimit("RLIMIT_MEMLOCK", -1, -1)),
    ],
)
def test_ulimits(text: str, limit: Ulimit) -> None:
    assert parse_ulimit(text) == limit


@pytest.mark.parametrize(
    "text",
    ["", "nofile", "nofile=", "files=1", "nofile=2:1", "nofile=-1:1", "nofile=1:2:3", "nofile=1_0"],
)
def test_other_ulimits_are_refused(text: str) -> None:
    with pytest.raises(InvalidOptionError):
        parse_ulimit(text)
