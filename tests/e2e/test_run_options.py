"""The rarer options of run: limits, capabilities, devices, name resolution, stopping."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.people import Somebody

NET_RAW = 1 << 13
SYS_ADMIN = 1 << 21


def _capabilities(somebody: Somebody, *options: str) -> int:
    script = ["grep", "^CapEff", "/proc/self/status"]
    [line] = somebody.run(*options, command=script).succeeded().lines
    return int(line.split()[1], 16)


def test_capabilities_are_added_and_dropped(anybody: Somebody) -> None:
    """S154: by options, and by nothing else."""
    assert not _capabilities(anybody) & (NET_RAW | SYS_ADMIN)
    assert _capabilities(anybody, "--cap-add", "NET_RAW") & NET_RAW
    assert _capabilities(anybody, "--cap-add", "cap_net_raw") & NET_RAW
    assert _capabilities(anybody, "--cap-drop", "ALL") == 0
    assert _capabilities(anybody, "--cap-drop", "ALL", "--cap-add", "NET_RAW") == NET_RAW
    anybody.run("--cap-add", "NO_SUCH", command=["true"]).exited(125)


def test_privileged_is_everything_the_caller_has(anybody: Somebody) -> None:
    assert _capabilities(anybody, "--privileged") & SYS_ADMIN
    script = ["grep", "^Seccomp:", "/proc/self/status"]
    assert anybody.run("--privileged", command=script).succeeded().lines[0].split()[1] == "0"


def test_the_seccomp_profile_can_be_left_out(anybody: Somebody) -> None:
    script = ["grep", "^Seccomp:", "/proc/self/status"]
    result = anybody.run("--security-opt", "seccomp=unconfined", command=script).succeeded()
    assert result.lines[0].split()[1] == "0"


def test_new_privileges_can_be_refused(anybody: Somebody) -> None:
    script = ["grep", "^NoNewPrivs", "/proc/self/status"]
    result = anybody.run("--security-opt", "no-new-privileges", command=script).succeeded()
    assert result.lines[0].split()[1] == "1"


def test_a_security_label_that_cannot_be_had_is_an_error(anybody: Somebody) -> None:
    """S151."""
    if Path("/sys/kernel/security/apparmor").exists():
        profile = "apparmor=no-such-profile"
    else:
        profile = "apparmor=docker-default"
    anybody.run("--security-opt", profile, command=["true"]).exited(125)


@pytest.mark.parametrize(
    ("option", "file", "value"),
    [
        (["--memory", "64m"], "memory/memory.limit_in_bytes", str(64 << 20)),
        (["--pids-limit", "77"], "pids/pids.max", "77"),
        (["--cpus", "0.5"], "cpu/cpu.cfs_quota_us", "50000"),
        (["--cpuset-cpus", "0"], "cpuset/cpuset.cpus", "0"),
    ],
)
def test_root_limits_what_a_container_uses(
    myself: Somebody, option: list[str], file: str, value: str
) -> None:
    controller, _, name = file.partition("/")
    unified = {"memory.limit_in_bytes": "memory.max", "cpu.cfs_quota_us": "cpu.max"}
    if Path("/sys/fs/cgroup", controller).exists():
        path = f"/sys/fs/cgroup/{file}"
    else:
        path = f"/sys/fs/cgroup/{unified.get(name, name)}"
    result = myself.run(*option, command=["cat", path]).succeeded()
    assert result.lines[0].split()[0] == value


@pytest.mark.parametrize("somebody", ["subid_somebody", "plain_somebody"])
def test_a_limit_that_cannot_be_kept_is_an_error(
    request: pytest.FixtureRequest, somebody: str
) -> None:
    """R161: an ordinary user has no control group of their own here."""
    user = request.getfixturevalue(somebody)
    assert isinstance(user, Somebody)
    result = user.run("--memory", "64m", command=["true"]).exited(125)
    assert "cgroup" in result.errors or "memory" in result.errors


def test_a_limit_above_ones_own_is_lowered(anybody: Somebody) -> None:
    """No CAP_SYS_RESOURCE is needed to run with docker's usual options."""
    command = ["sh", "-c", "ulimit -n"]
    result = anybody.run("--ulimit", "nofile=1073741816", command=command).succeeded()
    assert int(result.lines[0]) <= 1073741816


def test_shared_memory_has_the_size_asked_for(anybody: Somebody) -> None:
    command = ["sh", "-c", "df -k /dev/shm | tail -n 1"]
    assert anybody.run(command=command).succeeded().lines[0].split()[1] == "65536"
    larger = anybody.run("--shm-size", "128m", command=command).succeeded()
    assert larger.lines[0].split()[1] == "131072"


def test_a_namespaced_kernel_setting_is_set(myself: Somebody) -> None:
    command = ["cat", "/proc/sys/net/ipv4/ip_default_ttl"]
    option = "net.ipv4.ip_default_ttl=33"
    assert myself.run("--sysctl", option, command=command).succeeded().lines == ["33"]


def test_a_setting_of_the_whole_machine_is_refused(anybody: Somebody) -> None:
    anybody.run("--sysctl", "kernel.panic=0", command=["true"]).exited(125)


def test_a_device_of_the_host_can_be_passed_on(anybody: Somebody) -> None:
    if not os.access("/dev/full", os.R_OK):
        pytest.fail("this test needs /dev/full")
    command = ["sh", "-c", "test -c /dev/also-full && head -c 3 /dev/also-full | wc -c"]
    result = anybody.run("--device", "/dev/full:/dev/also-full:r", command=command).succeeded()
    assert result.lines == ["3"]


def test_names_are_resolved_as_said(anybody: Somebody) -> None:
    result = anybody.run(
        "--add-host", "other:192.0.2.7", "--dns", "192.0.2.53", "--hostname", "here",
        command=["cat", "/etc/hosts", "/etc/resolv.conf"],
    ).succeeded()  # fmt: skip
    words = [line.split() for line in result.lines]
    assert ["192.0.2.7", "other"] in words
    assert ["nameserver", "192.0.2.53"] in words
    assert any("localhost" in line for line in words)
    assert any("here" in line for line in words)


def test_a_further_group_is_added(with_many_ids: Somebody) -> None:
    result = with_many_ids.run("--group-add", "audit", "--group-add", "77", command=["id", "-G"])
    assert {"2000", "77"} <= set(result.succeeded().lines[0].split())


@pytest.mark.parametrize("mode", ["overlay", "copy"])
def test_every_kind_of_root_is_the_containers_own(anybody: Somebody, mode: str) -> None:
    """S128, R126."""
    script = "rm /etc/group && echo >/bin/new && ls /etc"
    first = anybody.run("--rootfs-mode", mode, command=["sh", "-c", script]).succeeded()
    assert "group" not in first.lines
    second = anybody.run("--rootfs-mode", mode, command=["ls", "/etc/group", "/bin/new"])
    assert second.exited(1).lines == ["/etc/group"]


def test_a_timeout_stops_the_container(anybody: Somebody) -> None:
    """R144: by the signal asked for; one that ignores it is killed."""
    forever = "while :; do sleep 0.05; done"
    cases: tuple[tuple[list[str], str, int], ...] = (
        ([], "trap 'exit 7' TERM", 7),
        (["--stop-signal", "USR1"], "trap 'exit 8' USR1", 8),
        (["--stop-timeout", "1"], "trap '' TERM", 137),
    )
    # Side by side, for the time has to be long enough for a slow machine to get to the trap.
    running = [
        anybody.imgfetch.start(
            "run", "--network", "none", "--timeout", "4", *options,
            anybody.published.busybox, "sh", "-c", f"{trap}; {forever}",
        )
        for options, trap, _ in cases
    ]  # fmt: skip
    for process in running:
        process.communicate(timeout=60)
    assert [process.returncode for process in running] == [status for _, _, status in cases]


def test_pull_never_uses_the_store_alone(newcomer: Somebody) -> None:
    newcomer.run("--pull", "never", command=["true"]).exited(125)
    newcomer.run("--pull", "always", command=["true"]).succeeded()
    newcomer.run("--pull", "never", command=["true"]).succeeded()


def test_an_image_can_be_mounted(anybody: Somebody) -> None:
    mount = f"type=image,src={anybody.published.settings},dst=/other"
    result = anybody.run("--mount", mount, command=["ls", "/other/no-interpreter"]).succeeded()
    assert result.lines == ["/other/no-interpreter"]


def test_labels_and_annotations_are_accepted(anybody: Somebody) -> None:
    """S048: those that a runtime takes for configuration are not."""
    anybody.run("-l", "a=b", "--annotation", "c.d=e", command=["true"]).succeeded()


def test_processes_of_the_machine_are_seen_on_request_only(anybody: Somebody) -> None:
    command = ["sh", "-c", f"[ -d /proc/{os.getpid()} ] && [ -d /proc/1 ]"]
    anybody.run("--pid", "host", command=command).succeeded()
    if os.getpid() > 1000:  # containers' own have small numbers
        anybody.run(command=command).exited(1)
