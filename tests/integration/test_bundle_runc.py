"""Generated bundles, run by the real runc as root."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgfetch.bundle.environment import DEFAULT_PATH
from imgfetch.bundle.options import (
    BindMount,
    Device,
    FileOptions,
    Limits,
    ProcessOptions,
    RunOptions,
    Secret,
    SecurityOptions,
    TmpfsMount,
    Ulimit,
)
from imgfetch.bundle.probe import NO_CGROUPS, find_cgroups, host_facts
from imgfetch.fs.idmap import IdMapping
from tests.support.runc_bundles import (
    Result,
    RootRunner,
    lines,
    make_bundle,
    make_rootfs,
)


@pytest.fixture
def run(tmp_path: Path) -> RootRunner:
    assert os.geteuid() == 0, "these tests need root"
    return RootRunner(tmp_path)


def status_fields(result: Result) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines(result))
    return {name: value.strip() for name, _, value in pairs}


def test_a_default_run(run: RootRunner) -> None:
    script = "pwd; id; umask; hostname; env; cat /etc/hosts"
    result = run("sh", "-c", script, config={"WorkingDir": "/made/by runc", "Env": ["A=é"]})
    assert lines(result)[:4] == [
        "/made/by runc",
        "uid=0(root) gid=0(root) groups=0(root)",
        "0022",
        "0123456789ab",
    ]
    assert set(lines(result)[4:]) == {
        f"PATH={DEFAULT_PATH}",
        "HOSTNAME=0123456789ab",
        "A=é",
        "HOME=/root",
        "PWD=/made/by runc",
        "SHLVL=1",
        "127.0.0.1\tlocalhost",
    }


def test_what_the_process_may_do(run: RootRunner) -> None:
    """S054, S146 and S148: nothing inheritable, seccomp on, no descriptor of ours."""
    result = run("sh", "-c", "cat /proc/self/status; echo fds: $(ls /proc/self/fd)")
    fields = status_fields(result)
    bounding = int(fields["CapBnd"], 16)
    assert int(fields["CapInh"], 16) == int(fields["CapAmb"], 16) == 0
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == bounding
    # The default ones by number: 0 1 3 4 5 6 7 8 10 18 31.
    assert bounding & ~0x800405FB == 0
    assert fields["Seccomp"] == "2"
    assert fields["NoNewPrivs"] == "0"
    assert fields["fds"] == "0 1 2 3"


def test_no_new_privileges(run: RootRunner) -> None:
    options = RunOptions(security=SecurityOptions(no_new_privileges=True))
    assert status_fields(run("cat", "/proc/self/status", options=options))["NoNewPrivs"] == "1"


def test_a_user_by_name_has_its_groups_and_home(run: RootRunner) -> None:
    """S053."""
    result = run("sh", "-c", "id -u; id -g; echo $HOME; id -G", config={"User": "app"})
    *rest, groups = lines(result)
    assert rest == ["1000", "1000", "/home/app"]
    assert set(groups.split()) == {"1000", "50", "2000"}


def test_what_is_hidden_stays_hidden(run: RootRunner) -> None:
    """S149."""
    script = """
        for path in /proc/kcore /proc/keys /proc/timer_list /proc/interrupts; do
            [ ! -e $path ] || [ -z "$(cat $path)" ] || echo $path
        done
        for path in /proc/acpi /sys/firmware /sys/devices/virtual/powercap; do
            [ -z "$(ls $path 2>/dev/null)" ] || echo $path
        done
        for path in /proc/sys/kernel/hostname /proc/sysrq-trigger; do
            (echo x > $path) 2>/dev/null && echo $path
        done
        true
    """
    assert lines(run("sh", "-c", script)) == []


def test_seccomp_refuses_user_namespaces(run: RootRunner) -> None:
    """S148: and `unconfined` does not."""
    refused = run("unshare", "-U", "true")
    assert refused.status != 0
    assert "Operation not permitted" in refused.stderr
    free = RunOptions(security=SecurityOptions(seccomp="unconfined"))
    assert run("unshare", "-U", "true", options=free).status == 0


def test_the_distributions_profile_is_accepted(run: RootRunner) -> None:
    options = RunOptions(security=SecurityOptions(seccomp="system"))
    assert status_fields(run("cat", "/proc/self/status", options=options))["Seccomp"] == "2"


def test_a_network_of_its_own(run: RootRunner) -> None:
    script = "ls /sys/class/net; cat /proc/sys/net/ipv4/ip_unprivileged_port_start"
    assert lines(run("sh", "-c", script)) == ["lo", "0"]


def test_the_hosts_network(run: RootRunner) -> None:
    result = run("sh", "-c", "hostname; ls /sys/class/net", network="host")
    assert lines(result) == [os.uname().nodename, *sorted(os.listdir("/sys/class/net"))]


def test_mounts(run: RootRunner, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (tmp_path / "key").write_text("secret")
    files = FileOptions(
        mounts=(
            BindMount(str(source), "/in/a", read_only=True),
            BindMount(str(source), "/in/a/sub"),
            TmpfsMount("/scratch", ("nosuid", "nodev", "noexec", "size=64k", "mode=1777")),
        ),
        secrets=(Secret(str(tmp_path / "key"), "/run/secrets/key"),),
    )
    script = """
        touch /in/a/no 2>/dev/null && echo writable
        touch /in/a/sub/yes && stat -c %a /scratch && cat /run/secrets/key
        echo x 2>/dev/null > /run/secrets/key || echo kept
    """
    assert lines(run("sh", "-c", script, options=RunOptions(files=files))) == ["1777", "secretkept"]
    assert (source / "yes").exists()


def test_a_read_only_root_keeps_the_images_volumes_writable(run: RootRunner) -> None:
    script = "touch /no 2>/dev/null && echo writable; cat /data/seed; touch /data/yes && echo .ok"
    files = FileOptions(read_only=True)
    result = run(
        "sh", "-c", script, options=RunOptions(files=files), config={"Volumes": {"/data": {}}}
    )
    assert lines(result) == ["seed.ok"]


def test_devices_and_limits(run: RootRunner) -> None:
    options = RunOptions(
        process=ProcessOptions(ulimits=(Ulimit("RLIMIT_NOFILE", 100, 2**40),), umask=0o77),
        files=FileOptions(devices=(Device("/dev/null", "/dev/other", "r"),)),
    )
    script = "ulimit -n; umask; stat -c %F /dev/other; (echo > /dev/other) 2>&1"
    result = run("sh", "-c", script, options=options)
    assert result.stdout.splitlines()[:3] == ["100", "0077", "character special file"]


def test_privileged_runs_see_the_hosts_devices(run: RootRunner) -> None:
    options = RunOptions(security=SecurityOptions(privileged=True))
    fields = status_fields(run("cat", "/proc/self/status", options=options))
    assert fields["Seccomp"] == "0"
    assert fields["CapBnd"] == status_of_this_process()["CapBnd"]


def status_of_this_process() -> dict[str, str]:
    text = Path("/proc/self/status").read_text()
    return {name: value.strip() for name, _, value in (x.partition(":") for x in text.splitlines())}


def test_the_memory_limit_is_the_cgroups(run: RootRunner) -> None:
    ids = IdMapping.current()
    cgroups = find_cgroups(ids)
    if cgroups.version != 1 or "memory" not in cgroups.controllers:
        cgroups = NO_CGROUPS
    options = RunOptions(limits=Limits(memory=64 << 20, strict=False))
    result = run(
        "cat",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes" if cgroups.version else "/proc/self/cgroup",
        options=options,
        host=host_facts(ids, cgroups),
    )
    assert not cgroups.version or lines(result) == [str(64 << 20)]


def test_sysctls_of_the_container(run: RootRunner) -> None:
    security = SecurityOptions(sysctls={"net.core.somaxconn": "77", "kernel.msgmax": "4096"})
    script = "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax"
    assert lines(run("sh", "-c", script, options=RunOptions(security=security))) == ["77", "4096"]


def test_links_in_the_image_lead_nowhere_else(run: RootRunner, tmp_path: Path) -> None:
    """S143 and S144, with runc doing its part."""
    outside = tmp_path / "outside"
    outside.mkdir()
    directory = tmp_path / "bundle"
    directory.mkdir()
    ids = IdMapping.current()
    files = FileOptions(mounts=(BindMount(str(tmp_path), "/mnt/x", read_only=True),))
    options = RunOptions(process=ProcessOptions(args=("ls", "/mnt")), files=files)

    def hostile(path: Path) -> Path:
        root = make_rootfs(path)
        (root / "mnt").symlink_to(outside)
        (root / "etc/hosts").symlink_to(outside / "hosts")
        return root

    make_bundle(directory, options, host_facts(ids, find_cgroups(ids)), prepare=hostile)
    result = run.runc(directory)
    assert result.status == 0, result.stderr
    assert list(outside.iterdir()) == []
